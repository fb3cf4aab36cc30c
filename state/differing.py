"""What is different between two runs of one checklist: a rehearsal and the day. Pure.

Every list has its biggest difference first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

import msgspec

from state.durations import parse_duration
from state.run import GateRecord, ItemState, RunState
from state.verdicts import Mark, Scalar, Verdict

# What the evidence of copies, comparisons and backups holds of rows; and their digests and proofs.
_COUNTS = ("rows", "tables", "rejected", "sequences", "foreign_keys", "foreign_key_violations")
_PROOFS = ("proof", "sha256")
_FIGURES = ("ratio", "high", "last")  # of a metric's summary: the ratio of sums where there is one
_LESS = 0.05  # of a metric: a change by less than this share is none


def number(value: object) -> float | None:
    """VALUE if it is a number: neither a bool, nor NaN, nor infinite."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value - value != 0:
        return None
    return value


class Words(msgspec.Struct, frozen=True, kw_only=True):
    """What either run says of ID (an item, a gate); empty where it says nothing."""

    id: str
    a: str = ""
    b: str = ""


class Lasted(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds that a phase (until its GO) or an item's check took, and were planned; None where nobody knows."""

    kind: str
    id: str
    planned: float | None = None
    a: float | None = None
    b: float | None = None

    @property
    def gap(self) -> float:
        """Seconds by which B took longer; 0 where one of them is not known."""
        return 0.0 if self.a is None or self.b is None else self.b - self.a


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One number or digest of what ID (an item, or a phase) is about; None where it is not known."""

    id: str
    key: str
    a: Scalar | None = None
    b: Scalar | None = None
    unit: str = ""

    @property
    def gap(self) -> float:
        """How far apart the two are; as a share of the bigger one, so that unlike things can be compared."""
        a, b = number(self.a), number(self.b)
        if a is None or b is None:
            return 0.0
        most = max(abs(a), abs(b))
        return abs(b - a) / most if most else 0.0


class Differing(msgspec.Struct, frozen=True, kw_only=True):
    """All that is different between run A and run B; `gates` are those that tripped in either."""

    verdicts: tuple[Words, ...] = ()
    only_a: tuple[str, ...] = ()
    only_b: tuple[str, ...] = ()
    gates: tuple[Words, ...] = ()
    waivers: tuple[Words, ...] = ()
    marks: tuple[Words, ...] = ()
    rows: tuple[Figure, ...] = ()
    lasted: tuple[Lasted, ...] = ()
    metrics: tuple[Figure, ...] = ()
    rolled_back: tuple[bool, bool] = (False, False)
    holds: tuple[int, int] = (0, 0)

    @property
    def same_verdicts(self) -> bool:
        """Whether each run came to the same verdict of every item that either looked at."""
        return not (self.verdicts or self.only_a or self.only_b) and self.rolled_back[0] == self.rolled_back[1]


def differing(a: RunState, b: RunState, planned: Mapping[str, float] | None = None) -> Differing:
    """What is different between the runs A and B; PLANNED seconds by item, and by phase as "phase:ID".

    What one of them left out with a reason, as a rehearsal may, is no difference.
    """
    plan = {**_planned_in(a), **_planned_in(b), **(planned or {})}
    left_out = {key for run in (a, b) for key in run.meta.get("left_out", ())}
    both = [key for key in a.items if key in b.items]
    return Differing(
        verdicts=tuple(sorted(_verdicts(a, b, both), key=_by_verdict)),
        only_a=tuple(key for key in a.items if key not in b.items and key not in left_out),
        only_b=tuple(key for key in b.items if key not in a.items and key not in left_out),
        gates=tuple(_gates(a, b)),
        waivers=tuple(_waivers(a, b)),
        marks=tuple(_marks(a, b, both)),
        rows=tuple(sorted(_rows(a, b, both), key=lambda one: -one.gap)),
        lasted=tuple(sorted(_lasted(a, b, both, plan), key=lambda one: (-abs(one.gap), one.id))),
        metrics=tuple(sorted(_metrics(a, b), key=lambda one: -one.gap)),
        rolled_back=(a.rollback_decided, b.rollback_decided),
        holds=(len(a.holds), len(b.holds)),
    )


def _planned_in(run: RunState) -> dict[str, float]:
    found: dict[str, float] = {}
    durations = run.meta.get("durations", {})
    for key, text in durations.items() if isinstance(durations, dict) else ():
        item, _, field = str(key).rpartition(".")
        if field == "expect":
            try:
                found[item] = parse_duration(str(text))
            except ValueError:
                continue
    return found


def _verdicts(a: RunState, b: RunState, both: list[str]) -> Iterator[Words]:
    for key in both:
        before, after = a.items[key], b.items[key]
        if _verdict(before) != _verdict(after):
            yield Words(id=key, a=_seen(before), b=_seen(after))


def _verdict(item: ItemState) -> str:
    if item.outcome is not None:
        return str(item.outcome.verdict)
    return item.status if item.status != "idle" else ""


def _seen(item: ItemState) -> str:
    if item.outcome is None:
        return _verdict(item)
    return f"{item.outcome.verdict}: {item.outcome.actual}"


def _by_verdict(words: Words) -> int:
    # What fails on the day and passed before is what somebody must read first.
    order = [f"{verdict}" for verdict in (Verdict.FAIL, Verdict.ERROR, Verdict.UNKNOWN, Verdict.STALE, Verdict.WARN)]
    verdict = words.b.partition(":")[0]
    return order.index(verdict) if verdict in order else len(order)


def _marks(a: RunState, b: RunState, both: list[str]) -> Iterator[Words]:
    for key in both:
        before, after = a.items[key], b.items[key]
        if before.mark is not after.mark and Mark.WAIVED not in (before.mark, after.mark):
            yield Words(id=key, a=_marked(before), b=_marked(after))


def _waivers(a: RunState, b: RunState) -> Iterator[Words]:
    for key in dict.fromkeys((*b.items, *a.items)):
        before, after = a.item(key), b.item(key)
        if Mark.WAIVED in (before.mark, after.mark):
            yield Words(id=key, a=_marked(before), b=_marked(after))


def _marked(item: ItemState) -> str:
    if item.mark is Mark.OPEN:
        return ""
    who = " and ".join(said.actor for said in item.confirmations)
    return f"{item.mark} by {who}" + (f": {item.reason}" if item.reason else "")


def _gates(a: RunState, b: RunState) -> Iterator[Words]:
    named = dict.fromkeys((*b.gates, *a.gates))
    tripped = [key for key in named if any(_has_spoken(run.gates.get(key)) for run in (a, b))]
    for key in sorted(tripped, key=lambda key: -abs(_trips(a, key) - _trips(b, key))):
        yield Words(id=key, a=_decided(a.gates.get(key)), b=_decided(b.gates.get(key)))


def _has_spoken(gate: GateRecord | None) -> bool:
    return gate is not None and bool(gate.trips or gate.decision)


def _trips(run: RunState, key: str) -> int:
    return run.gates.get(key, GateRecord()).trips


def _decided(gate: GateRecord | None) -> str:
    if gate is None or not _has_spoken(gate):
        return ""
    said = f"tripped {gate.trips}×"
    if not gate.decision:
        return f"{said}, nobody has decided: {gate.why}"
    return f"{said}, {gate.decision} by {gate.decided_by}: {gate.decided_because}"


def _rows(a: RunState, b: RunState, both: list[str]) -> Iterator[Figure]:
    for key in both:
        before, after = _evidence(a.items[key]), _evidence(b.items[key])
        if not isinstance(after.get("rows", before.get("rows")), int):
            continue
        for name in dict.fromkeys((*after, *before)):
            told = name in _COUNTS or name in _PROOFS or name.startswith(("rows ", "table "))
            if told and before.get(name) != after.get(name):
                yield Figure(id=key, key=name, a=before.get(name), b=after.get(name))


def _evidence(item: ItemState) -> Mapping[str, Scalar]:
    return item.outcome.evidence if item.outcome is not None else {}


def _lasted(a: RunState, b: RunState, both: list[str], planned: Mapping[str, float]) -> Iterator[Lasted]:
    phases_a, phases_b = _phases(a), _phases(b)
    for key in dict.fromkeys((*phases_b, *phases_a)):
        yield Lasted(
            kind="phase", id=key, planned=planned.get(f"phase:{key}"), a=phases_a.get(key), b=phases_b.get(key)
        )
    for key in both:
        before, after = number(a.items[key].seconds), number(b.items[key].seconds)
        if before or after:
            yield Lasted(kind="item", id=key, planned=planned.get(key), a=before or None, b=after or None)


def _phases(run: RunState) -> dict[str, float]:
    """Seconds until each pause point was passed, since the one before it, or since the run began."""
    found: dict[str, float] = {}
    since = run.meta.get("started", "")
    for phase, utc in run.gone.items():
        with suppress(ValueError, TypeError):  # no moments, or not both with a time zone
            found[phase] = (datetime.fromisoformat(utc) - datetime.fromisoformat(since)).total_seconds()
        since = utc
    return found


def _metrics(a: RunState, b: RunState) -> Iterator[Figure]:
    before, after = _summaries(a), _summaries(b)
    for (phase, metric), numbers in after.items():
        known = before.get((phase, metric))
        if known is None:
            continue
        figures = _FIGURES[:1] if "ratio" in numbers and "ratio" in known else _FIGURES[1:]
        for name in figures:
            unit = str(numbers.get("unit", ""))
            a_is, b_is = number(known.get(name)), number(numbers.get(name))
            one = Figure(id=phase, key=f"{metric} {name}", a=a_is, b=b_is, unit=unit)
            if one.gap >= _LESS or (one.a is None) != (one.b is None):
                yield one


def _summaries(run: RunState) -> dict[tuple[str, str], dict[str, Any]]:
    """The numbers of every metric by phase; of a phase that was summed up twice, the last."""
    return {
        (str(told.get("phase", "")), metric): numbers
        for told in run.summaries
        if isinstance(told.get("metrics"), dict)
        for metric, numbers in told["metrics"].items()
        if isinstance(numbers, dict)
    }
