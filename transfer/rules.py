"""Rules that the user wrote for values that PostgreSQL would refuse or change: `"table.column" = "rule"`.

Nothing is changed or left out without such a rule. Each does one thing, to the values it is about alone; a value
that no rule makes fit is refused as it would be without.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from difflib import get_close_matches

from transfer.canonical import as_float4, canonical
from transfer.errors import Refused
from transfer.types import Kind, Type
from transfer.values import Unfit, Value

SKIP_TABLE, SKIP_ROW, SKIP_ORPHAN, NULL_ORPHAN = "skip-table", "skip-row", "skip-orphan", "null-orphan"

# A value and the type it goes into -> the value to carry.
Change = Callable[[Value, Type], Value]
# A value as the rules of its column leave it.
Apply = Callable[[Value], Value]


@dataclass(frozen=True, slots=True)
class Rules:
    """COLUMNS: rules by "table.column"; TABLES: tables left out; PRIVATE: columns whose values are not shown."""

    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    tables: frozenset[str] = frozenset()
    private: frozenset[str] = frozenset()


NONE = Rules()


def read_rules(given: Mapping[str, object], private: Sequence[str] = ()) -> Rules:
    """From `[transfer.rules]` and `[transfer] private`. Raises Refused, which names the key and the mend."""
    columns: dict[str, tuple[str, ...]] = {}
    tables = set()
    for key, value in given.items():
        names = [str(v) for v in value] if isinstance(value, list | tuple) else [str(value)]
        for name in names:
            if name not in KNOWN:
                near = get_close_matches(name, KNOWN, n=1)
                mend = f"did you mean {near[0]!r}?" if near else f"known are: {', '.join(KNOWN)}"
                raise Refused(f"rule of {key!r}: there is no rule {name!r}; {mend}")
        if SKIP_TABLE in names:
            if len(names) > 1:
                raise Refused(f"rule of {key!r}: {SKIP_TABLE} stands alone")
            tables.add(key)
        else:
            columns[key] = tuple(names)
    return Rules(columns, frozenset(tables), frozenset(private))


def applying(names: Sequence[str], of: Type, used: Counter[str] | None = None) -> Apply | None:
    """All of a column's rules for values in one; None when there are none for values. USED counts changes by rule."""
    changes = [(n, VALUE_RULES[n][1]) for n in names if n in VALUE_RULES]
    if not changes:
        return None

    def apply(value: Value) -> Value:
        for name, change in changes:
            new = change(value, of)
            if used is not None and (new is not value) and (type(new) is not type(value) or new != value):
                used[name] += 1
            value = new
        return value

    return apply


def reason_unfit(value: Value, of: Type, apply: Apply | None, *, not_null: bool) -> str | None:
    """Why VALUE, after its rules, cannot be carried; None when it can."""
    try:
        text = canonical(apply(value) if apply else value, of)
    except Unfit as e:
        return str(e)
    return "NULL in a column that is NOT NULL" if text is None and not_null else None


_TRUE = frozenset({"t", "true", "y", "yes", "on", "1"})
_FALSE = frozenset({"f", "false", "n", "no", "off", "0"})
_TEXTS = (Kind.TEXT, Kind.PADDED, Kind.JSON, Kind.OTHER)


def _cast(value: Value, of: Type) -> Value:
    match value, of.kind:
        case str(), Kind.INTEGER if re.fullmatch(r"[+-]?[0-9]+", value):
            return int(value)
        case float(), Kind.INTEGER if value.is_integer():
            return int(value)
        case str(), Kind.BOOLEAN if value.lower() in _TRUE | _FALSE:
            return int(value.lower() in _TRUE)
        case float(), Kind.BOOLEAN if value in (0.0, 1.0):
            return int(value)
        case str(), Kind.FLOAT if re.fullmatch(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?", value):
            return float(value)
        case str(), Kind.BYTES:
            return value.encode("utf-8", "surrogateescape")
        case int(), kind if kind in _TEXTS:
            return str(value)
        case float(), kind if kind in _TEXTS:
            return repr(value)
        case bytes(), kind if kind is not Kind.BYTES:
            try:
                return value.decode()
            except UnicodeDecodeError:
                return value
    return value


def _strip_nul(value: Value, of: Type) -> Value:
    return value.replace("\0", "") if isinstance(value, str) else value


def _replace_nul(value: Value, of: Type) -> Value:
    return value.replace("\0", "\ufffd") if isinstance(value, str) else value


def _read_again(encoding: str, errors: str) -> Change:
    """A text that is no UTF-8 (its bytes as surrogates), read as ENCODING."""

    def change(value: Value, of: Type) -> Value:
        if isinstance(value, str) and any("\udc80" <= ch <= "\udcff" for ch in value):
            return value.encode("utf-8", "surrogateescape").decode(encoding, errors)
        return value

    return change


def _since_epoch(a_second: int) -> Change:
    """Numbers counted from 1970 in parts of a second, as a moment in UTC."""

    def change(value: Value, of: Type) -> Value:
        if isinstance(value, str) and re.fullmatch(r"-?[0-9]+", value):
            value = int(value)
        if isinstance(value, int | float):
            return _moment(timedelta(microseconds=round(Decimal(value) * (1_000_000 // a_second))), value, of)
        return value

    return change


def _julian_day(value: Value, of: Type) -> Value:
    """Days since noon on 24 November 4714 BC; a double holds them to the millisecond, as SQLite reads them."""
    if isinstance(value, int | float):
        milliseconds = round((Decimal(value) - Decimal("2440587.5")) * 86_400_000)
        return _moment(timedelta(milliseconds=milliseconds), value, of)
    return value


def _moment(after: timedelta, value: Value, of: Type) -> Value:
    if of.kind not in (Kind.TIMESTAMP, Kind.TIMESTAMPTZ, Kind.DATE):
        return value
    try:
        moment = datetime(1970, 1, 1) + after  # noqa: DTZ001 - UTC, written without a zone
    except OverflowError:
        return value
    if of.kind is Kind.DATE:
        whole = moment.time() == datetime.min.time()
        return moment.date().isoformat() if whole else value
    return moment.isoformat(" ", "microseconds")


def _to_utc(value: Value, of: Type) -> Value:
    if not isinstance(value, str):
        return value
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return value
    if moment.tzinfo is None:
        return value
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


def _round(value: Value, of: Type) -> Value:
    """Half away from zero, as numeric does; of a double, what a column of type real keeps."""
    if of.kind is Kind.FLOAT and of.size == 4 and isinstance(value, float):
        return as_float4(value) if as_float4(value) is not None else value
    if of.kind not in (Kind.NUMERIC, Kind.INTEGER) or isinstance(value, bytes | int | None):
        return value
    try:
        number = Decimal(repr(value) if isinstance(value, float) else value)
        places = 0 if of.kind is Kind.INTEGER else of.scale
        if places is None or not number.is_finite():
            return value
        rounded = number.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
    except InvalidOperation:
        return value
    if rounded == number:
        return value
    return int(rounded) if of.kind is Kind.INTEGER else format(rounded, "f")


def _truncate(value: Value, of: Type) -> Value:
    if isinstance(value, str) and of.length is not None and len(value) > of.length:
        return value[: of.length]
    return value


def _empty_to_null(value: Value, of: Type) -> Value:
    return None if value == "" else value


def _null(value: Value, of: Type) -> Value:
    try:
        canonical(value, of)
    except Unfit:
        return None
    return value


# name -> (what it is for, the change)
VALUE_RULES: Mapping[str, tuple[str, Change]] = {
    "cast": ("'12' or 1.0 to 12, 'yes' to true, a number to its text, a UTF-8 blob to text, a text to bytes", _cast),
    "strip-nul": ("NUL characters in a text are left out", _strip_nul),
    "replace-nul": ("NUL characters in a text become U+FFFD", _replace_nul),
    "replace-invalid-utf8": ("what is no UTF-8 in a text becomes U+FFFD", _read_again("utf-8", "replace")),
    "latin-1": ("a text that is no UTF-8 is read as Latin-1", _read_again("latin-1", "strict")),
    "epoch-seconds": ("a number is seconds since 1970, UTC", _since_epoch(1)),
    "epoch-milliseconds": ("a number is milliseconds since 1970, UTC", _since_epoch(1000)),
    "julian-day": ("a number is a Julian day, UTC", _julian_day),
    "to-utc": ("a time with an offset is moved to UTC and loses it", _to_utc),
    "round": ("a number is rounded to the digits the column keeps, half away from zero", _round),
    "truncate": ("a text is cut to the characters the column keeps", _truncate),
    "empty-to-null": ("an empty text becomes NULL", _empty_to_null),
    "null": ("whatever does not fit becomes NULL", _null),
}
ROW_RULES: Mapping[str, str] = {
    SKIP_ROW: "a row whose value does not fit is left out and goes to the reject file",
    SKIP_ORPHAN: "a row whose parent does not exist is left out and goes to the reject file",
    NULL_ORPHAN: "a reference to a parent that does not exist becomes NULL",
    SKIP_TABLE: "the table is left out",
}
KNOWN: tuple[str, ...] = (*VALUE_RULES, *ROW_RULES)


def explained() -> Iterator[tuple[str, str]]:
    """(name, what it is for) of every rule."""
    yield from ((name, about) for name, (about, _) in VALUE_RULES.items())
    yield from ROW_RULES.items()


__all__ = ["KNOWN", "NONE", "Apply", "Rules", "applying", "explained", "read_rules", "reason_unfit"]
