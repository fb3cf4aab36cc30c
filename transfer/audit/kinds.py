"""What is wrong with a value, by a stable name, and the rule that would settle it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from transfer.audit.findings import EXAMPLES, AuditFinding, Example, Severity, rule_line, shown
from transfer.pairing import ColumnPair, TablePair
from transfer.rules import SKIP_ROW, Apply, applying, reason_unfit
from transfer.types import Kind, Type
from transfer.values import Value

_TIMES = (Kind.TIMESTAMP, Kind.TIMESTAMPTZ, Kind.DATE, Kind.TIME)
_TEXTS = (Kind.TEXT, Kind.PADDED, Kind.JSON, Kind.JSONB, Kind.OTHER)

# kind -> (what it is, rules that may settle it, the first that settles all of them is told)
KINDS: dict[str, tuple[str, tuple[str, ...]]] = {
    "null-in-not-null": ("NULL in a column that is NOT NULL", ()),
    "wrong-class": ("values of another storage class than {type} takes", ("cast",)),
    "blob-in-text": ("blobs in a column of type {type}", ("cast",)),
    "text-in-blob": ("texts in a column of type {type}", ("cast",)),
    "not-boolean": ("values other than 0 and 1 in a column of type boolean", ("cast",)),
    "out-of-range": ("integers that {type} cannot hold", ()),
    "not-whole": ("numbers with a fraction in a column of type {type}", ("round",)),
    "too-long": ("texts of more characters than {type} keeps", ("truncate",)),
    "nul": ("texts with a NUL character, which PostgreSQL cannot store", ("strip-nul",)),
    "invalid-utf8": ("texts that are no UTF-8", ("replace-invalid-utf8",)),
    "empty": ("empty texts in a column of type {type}", ("empty-to-null",)),
    "has-offset": ("times with an offset from UTC, which {type} would drop", ("to-utc",)),
    "epoch-seconds": ("numbers that look like seconds since 1970", ("epoch-seconds",)),
    "epoch-milliseconds": ("numbers that look like milliseconds since 1970", ("epoch-milliseconds",)),
    "julian-day": ("numbers that look like Julian days", ("julian-day",)),
    "finer-than-kept": ("times finer than {type} keeps; they would be rounded", ()),
    "impossible-date": ("texts that are no {type}", ()),
    "not-json": ("texts that are no JSON that {type} takes", ()),
    "rounded": ("numbers with more digits than {type} keeps; they would be rounded", ("round",)),
    "overflow": ("numbers that {type} cannot hold", ()),
    "infinity": ("infinities, which {type} cannot hold", ()),
    "unfit": ("values that {type} does not take", ("cast",)),
}


def kind_of(value: Value, of: Type, reason: str) -> str:
    """The name for what is wrong; REASON is canonical()'s, or that of reason_unfit()."""
    match value, of.kind:
        case None, _:
            return "null-in-not-null"
        case str(), _ if "\0" in value and of.kind in _TEXTS:
            return "nul"
        case str(), _ if "UTF-8" in reason:
            return "invalid-utf8"
        case str(), kind if kind in _TIMES:
            return _time(value, reason)
        case ((int() | float()), (Kind.TIMESTAMP | Kind.TIMESTAMPTZ | Kind.DATE)):
            return _number_for_time(value)
        case _, Kind.BOOLEAN:
            return "not-boolean"
        case int(), Kind.INTEGER:
            return "out-of-range"
        case float(), Kind.INTEGER:
            return "wrong-class" if value.is_integer() else "not-whole"
        case bytes(), kind if kind in _TEXTS:
            return "blob-in-text"
        case str(), Kind.BYTES:
            return "text-in-blob"
        case _, (Kind.JSON | Kind.JSONB):
            return "not-json"
        case str(), _ if "too long" in reason:
            return "too-long"
        case float(), Kind.NUMERIC if "infinity" in reason:
            return "infinity"
        case _, (Kind.NUMERIC | Kind.FLOAT) if any(w in reason for w in ("digits", "decimals", "exactly")):
            return "rounded"
        case ((int() | float()), (Kind.NUMERIC | Kind.FLOAT)):
            return "overflow"
        case str(), Kind.NUMERIC if "range" in reason:
            return "overflow"
    return "unfit" if of.kind in (Kind.UUID, Kind.PADDED) else "wrong-class"


def _time(value: str, reason: str) -> str:
    if value == "":
        return "empty"
    if reason.startswith("a time zone"):
        return "has-offset"
    if "finer" in reason:
        return "finer-than-kept"
    if re.fullmatch(r"-?[0-9]{9,10}", value):
        return "epoch-seconds"
    return "epoch-milliseconds" if re.fullmatch(r"-?[0-9]{12,13}", value) else "impossible-date"


def _number_for_time(value: float) -> str:
    """By size: a Julian day of the last and the next few centuries, milliseconds from 1973 on, else seconds."""
    if 2_200_000 <= value <= 2_600_000:
        return "julian-day"
    return "epoch-milliseconds" if abs(value) >= 10**11 else "epoch-seconds"


@dataclass(slots=True)
class _Tally:
    """Values of one kind so far; CANDIDATES: rules that have settled all of them."""

    candidates: list[tuple[str, ...]]
    count: int = 0
    unsettled: int = 0
    examples: list[Example] = field(default_factory=list)


class Column:
    """What has been found in one column so far."""

    def __init__(self, pair: TablePair, column: ColumnPair) -> None:
        self.pair_column = column
        self._table, self._of = pair.target, column.type
        self._columns = {c.target: c for c in pair.columns}
        self._rules = applying(column.rules, column.type)
        self._skips = SKIP_ROW in column.rules
        self._tallies: dict[str, _Tally] = {}
        self._by_rules: dict[tuple[str, ...], Apply | None] = {}

    def judge(self, value: Value, key: Callable[[], Sequence[Value]], key_names: Sequence[str]) -> None:
        """Counts VALUE when a copy without rules would be refused for it."""
        reason = self._reason(value, None)
        if reason is None:
            return
        kind = kind_of(value, self._of, reason)
        tally = self._tallies.get(kind)
        if tally is None:
            tally = self._tallies[kind] = _Tally(self._candidates(KINDS[kind][1]))
        tally.count += 1
        tally.unsettled += not (self._skips or self._reason(value, self._rules) is None)
        tally.candidates = [c for c in tally.candidates if SKIP_ROW in c or self._settles(c, value)]
        if len(tally.examples) < EXAMPLES:
            both = zip(key_names, key(), strict=True)
            named = ", ".join(f"{n}={shown(v, self._columns.get(n))}" for n, v in both)
            tally.examples.append(Example(named, shown(value, self.pair_column)))

    def _reason(self, value: Value, apply: Apply | None) -> str | None:
        return reason_unfit(value, self._of, apply, not_null=self.pair_column.not_null)

    def _candidates(self, rules: tuple[str, ...]) -> list[tuple[str, ...]]:
        """The rules made for it, alone, and then with what is left made NULL or left out."""
        last = ["skip-row"] if self.pair_column.not_null else ["null", "skip-row"]
        return [*([rules] if rules else []), *((*rules, end) for end in last)]

    def _settles(self, rules: tuple[str, ...], value: Value) -> bool:
        if rules not in self._by_rules:
            self._by_rules[rules] = applying(rules, self._of)
        return self._reason(value, self._by_rules[rules]) is None

    def findings(self) -> Iterator[AuditFinding]:
        name = f"{self._table}.{self.pair_column.target}"
        for kind, tally in self._tallies.items():
            yield AuditFinding(
                self._table,
                self.pair_column.target,
                kind,
                Severity.BLOCKS,
                tally.count,
                tuple(tally.examples),
                KINDS[kind][0].format(type=self._of.name),
                rule_line(name, tally.candidates[0]),
                tally.unsettled == 0,
            )
