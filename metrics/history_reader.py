"""Reading a history: what each metric was at a moment, over a span, and in one number. Read-only, in any process,
while the run goes on or long after, from the file itself or a copy of it."""

from __future__ import annotations

import os
import sqlite3
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Self

from metrics.history_block import BadBlock, unpack, unpack_values
from metrics.history_rows import Row, measurement_of, milliseconds, moment_of
from metrics.history_store import APPLICATION, ROWS_OF, SCHEMA, row_from
from metrics.latency import Latency
from metrics.samples import Measurement, divide

_CACHED = 256  # opened blocks: a player asks forty metrics for about the same minutes, again and again


class HistoryError(Exception):
    """No history that can be read; the text says why."""


@dataclass(frozen=True, slots=True)
class Known:
    """What a history holds of one metric: its unit, the moments of its first and last look, and how many."""

    unit: str
    first: datetime
    last: datetime
    samples: int


@dataclass(frozen=True, slots=True)
class Merged:
    """One metric over a span, in one piece. Nothing in it is an average.

    looks, seen     how often it was looked at, and how often there was a value
    low, high, last of the values, None without any
    bad, volume     sums over the looks that had a value and a numerator; `ratio` is one by the other
    latency         the merged histograms; None when there were none
    """

    unit: str = ""
    looks: int = 0
    seen: int = 0
    low: float | None = None
    high: float | None = None
    last: float | None = None
    bad: float | None = None
    volume: int = 0
    latency: Latency | None = None

    @property
    def ratio(self) -> float | None:
        """A ratio of sums; None where nothing was counted."""
        return divide(self.bad, self.volume)


class Recording:
    """An open history. `unreadable` counts the blocks that could not be opened: what they held is no data.

    Belongs to one thread. Times are datetimes with a zone. Every method raises HistoryError for a file that
    breaks under it.
    """

    def __init__(self, path: Path) -> None:
        """Open PATH. Raises HistoryError when there is none, or when it is none."""
        self.unreadable = 0
        self._bad: set[int] = set()
        self._blocks: OrderedDict[int, list[Row]] = OrderedDict()
        if not path.is_file():
            raise HistoryError(f"no metric history at {path.name}")
        self._base = _connected(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._base.close()

    def metrics(self) -> Mapping[str, Known]:
        """What there is, by the metric's name."""
        found: dict[str, Known] = {}
        sql = """
            SELECT name, unit, min(first), max(last), sum(count) FROM (
                SELECT metric, min(first) AS first, max(last) AS last, sum(count) AS count FROM block GROUP BY metric
                UNION ALL SELECT metric, min(at), max(at), count(*) FROM open GROUP BY metric
            ) JOIN metric ON metric.id = metric GROUP BY metric.id ORDER BY name, metric.id
        """
        for name, unit, first, last, count in self._ask(sql):
            one = Known(unit, moment_of(first), moment_of(last), count)
            if before := found.get(name):
                first_ = min(before.first, one.first)
                one = Known(unit or before.unit, first_, max(before.last, one.last), before.samples + count)
            found[name] = one
        return found

    def samples(self, metric: str, since: datetime, until: datetime) -> Iterator[Measurement]:
        """The looks at METRIC from SINCE to UNTIL, both included, in the order of their times. None for a metric
        that nobody knows."""
        for unit, row in self._rows(metric, milliseconds(since), milliseconds(until)):
            yield measurement_of(metric, unit, row)

    def values(
        self, metric: str, since: datetime, until: datetime
    ) -> Iterator[tuple[Sequence[int], Sequence[float | None]]]:
        """The looks at METRIC from SINCE to UNTIL as (milliseconds since 1970, values), some minutes at a time, in
        the order of their times. Some of the first and the last may lie outside. Far quicker than `samples`, and no
        more than one block is in memory."""
        for _, part in self._parts(metric, milliseconds(since), milliseconds(until)):
            if not isinstance(part, int):
                yield [row.at for row in part], [row.value for row in part]
                continue
            for (data,) in self._ask("SELECT data FROM block WHERE id = ?", part):
                try:
                    yield unpack_values(data)
                except BadBlock:
                    self._spoilt(part)

    def at(self, moment: datetime) -> Mapping[str, Measurement]:
        """The newest look at each metric at MOMENT; one that was not looked at before is not there. How old it is,
        and whether that is too old, is for the caller to say."""
        until, found = milliseconds(moment), dict[str, Measurement]()
        for key, name, unit in self._ask("SELECT id, name, unit FROM metric"):
            row = self._newest(key, until)
            if row is not None and (name not in found or milliseconds(found[name].at) <= row.at):
                found[name] = measurement_of(name, unit, row)
        return found

    def merged(self, metric: str, since: datetime, until: datetime) -> Merged:
        """METRIC from SINCE to UNTIL in one piece: a ratio of sums, merged histograms, never an average."""
        unit, looks, values, latency = "", 0, list[float](), None
        bad: float | None = None
        volume = 0
        for named, row in self._rows(metric, milliseconds(since), milliseconds(until)):
            looks, unit = looks + 1, named or unit
            if row.latency is not None:
                latency = latency or Latency()
                _merge(latency, row.latency)
            if row.value is None:
                continue
            values.append(row.value)
            if row.bad is not None:
                bad, volume = (bad or 0.0) + row.bad, volume + row.volume
        if not values:
            return Merged(unit, looks, latency=latency)
        return Merged(unit, looks, len(values), min(values), max(values), values[-1], bad, volume, latency)

    # --- the rows ------------------------------------------------------------------------------------------

    def _rows(self, metric: str, since: int, until: int) -> Iterator[tuple[str, Row]]:
        for unit, part in self._parts(metric, since, until):
            for row in self._block(part) if isinstance(part, int) else part:
                if since <= row.at <= until:
                    yield unit, row

    def _parts(self, metric: str, since: int, until: int) -> list[tuple[str, int | list[Row]]]:
        """The unit and the blocks (by id) and loose rows that hold METRIC from SINCE to UNTIL, in their order."""
        parts: list[tuple[int, str, int | list[Row]]] = []
        # In one transaction, so that no row is seen twice or not at all when a block is folded meanwhile.
        self._ask("BEGIN")
        try:
            for key, unit in self._ask("SELECT id, unit FROM metric WHERE name = ?", metric):
                blocks = self._ask(
                    "SELECT first, id FROM block WHERE metric = ? AND first <= ? AND last >= ?", key, until, since
                )
                parts += [(first, unit, block) for first, block in blocks]
                lines = self._ask(f"{ROWS_OF} AND at BETWEEN ? AND ? ORDER BY at, rowid", key, since, until)
                if lines:
                    parts.append((lines[0][0], unit, [row_from(line) for line in lines]))
        finally:
            self._ask("COMMIT")
        return [(unit, part) for _, unit, part in sorted(parts, key=lambda one: one[0])]

    def _newest(self, key: int, until: int) -> Row | None:
        found: list[Row] = []
        blocks = self._ask(
            "SELECT id FROM block WHERE metric = ? AND first <= ? ORDER BY first DESC LIMIT 1", key, until
        )
        for (block,) in blocks:
            rows = self._block(block)
            found += rows[: bisect_right(rows, until, key=lambda row: row.at)][-1:]
        lines = self._ask(f"{ROWS_OF} AND at <= ? ORDER BY at DESC, rowid DESC LIMIT 1", key, until)
        found += [row_from(line) for line in lines]
        return max(found, key=lambda row: row.at, default=None)

    def _block(self, block: int) -> list[Row]:
        if block in self._blocks:
            self._blocks.move_to_end(block)
            return self._blocks[block]
        rows: list[Row] = []
        try:
            for (data,) in self._ask("SELECT data FROM block WHERE id = ?", block):
                rows = unpack(data)
        except BadBlock:
            self._spoilt(block)
        self._blocks[block] = rows
        if len(self._blocks) > _CACHED:
            self._blocks.popitem(last=False)
        return rows

    def _spoilt(self, block: int) -> None:
        self._bad.add(block)
        self.unreadable = len(self._bad)

    def _ask(self, sql: str, *values: object) -> list[tuple]:  # type: ignore[type-arg]  # as the query says
        try:
            return self._base.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise HistoryError(f"the metric history cannot be read: {type(error).__name__}") from error


def _connected(path: Path) -> sqlite3.Connection:
    """PATH read-only: as a file that is being written, or, where there is no log beside it and none can be made
    (a copy on a read-only disk), as one that nobody changes."""
    lonely = not path.with_name(path.name + "-wal").exists()
    why = "it cannot be opened"
    for more in ("", "&immutable=1") if lonely else ("",):
        try:
            base = sqlite3.connect(
                f"{path.resolve().as_uri()}?mode=ro{more}", uri=True, timeout=5.0, isolation_level=None
            )
        except sqlite3.Error:
            why = why if os.access(path, os.R_OK) else "it is its writer's alone"
            break
        try:
            (mark,) = base.execute("PRAGMA application_id").fetchone()
            (schema,) = base.execute("PRAGMA user_version").fetchone()
            # Whether they are there; to count the rows of three tables at once would multiply them.
            base.execute("SELECT 1 FROM metric, open, block LIMIT 1").close() if mark == APPLICATION else None
        except sqlite3.Error as error:
            base.close()
            why = "it is damaged" if isinstance(error, sqlite3.DatabaseError) else why
            continue
        if mark == APPLICATION and schema <= SCHEMA:
            return base
        base.close()
        why = "it was written by a newer tminus" if mark == APPLICATION else "it is none"
        break
    raise HistoryError(f"{path.name} cannot be read as a metric history: {why}")


def _merge(whole: Latency, part: bytes) -> None:
    with suppress(ValueError):  # what is no histogram counts for nothing
        whole.merge(part)
