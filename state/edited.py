"""The readable tables of a record beside those that its journal gives: which key of which table was edited. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from state.record import tables_of, wanted_tables
from state.run import RunState

_SHOWN = 120  # characters of a value


class Edited(msgspec.Struct, frozen=True, kw_only=True):
    """A key of a readable table that says something else than the journal gives; empty where it is not there."""

    table: str
    key: str
    says: str
    journal: str

    def __str__(self) -> str:
        key = f" {self.key}" if self.key else ""
        return f"{self.table}{key} says {self.says or 'nothing'}, the journal gives {self.journal or 'nothing'}"


def edited_tables(data: dict[str, Any], state: RunState) -> Iterator[Edited]:
    """Every key of the readable tables in DATA, a record read from TOML, that is not what STATE gives."""
    found, wanted = tables_of(data), wanted_tables(state)
    for table in dict.fromkeys((*wanted, *found)):
        if found.get(table) != wanted.get(table):
            named = tuple(_rows_edited(table, found.get(table), wanted.get(table)))
            # One that is there and empty is no less an edit, though it has no key to name.
            says, journal = shown(found.get(table)), shown(wanted.get(table))
            yield from named or (Edited(table=f"[{table}]", key="", says=says, journal=journal),)


def _rows_edited(table: str, found: Any, wanted: Any) -> Iterator[Edited]:
    if _is_table(found) and _is_table(wanted):
        yield from _keys_edited(f"[{table}]", found or {}, wanted or {})
        return
    if not (_is_rows(found) and _is_rows(wanted)):
        yield Edited(table=f"[{table}]", key="", says=shown(found), journal=shown(wanted))
        return
    said, right = _by_id(found or []), _by_id(wanted or [])
    for name in dict.fromkeys((*right, *said)):
        yield from _keys_edited(f"[[{table}]] {name}", said.get(name, {}), right.get(name, {}))
    if said == right and list(said) != list(right):
        yield Edited(table=f"[[{table}]]", key="", says="its rows in another order", journal="them as they came")


def _is_table(table: Any) -> bool:
    return table is None or isinstance(table, dict)


def _is_rows(table: Any) -> bool:
    return table is None or (isinstance(table, list) and all(isinstance(row, dict) for row in table))


def _by_id(rows: Sequence[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """ROWS by their ids, or their numbers where they have none, or the same one twice."""
    named: dict[str, dict[str, Any]] = {}
    for number, row in enumerate(rows, 1):
        name = str(row.get("id", number))
        named[name if name not in named else f"{name} (row {number})"] = row
    return named


def _keys_edited(table: str, found: dict[str, Any], wanted: dict[str, Any]) -> Iterator[Edited]:
    if found == wanted:
        return
    if not found or not wanted:
        there, gone = "a table", ""
        yield Edited(table=table, key="", says=there if found else gone, journal=there if wanted else gone)
        return
    for key in dict.fromkeys((*wanted, *found)):
        says, journal = found.get(key), wanted.get(key)
        if says == journal:
            continue
        if isinstance(says, dict) and isinstance(journal, dict):
            yield from (
                msgspec.structs.replace(one, table=table, key=f"{key}.{one.key}")
                for one in _keys_edited(table, says, journal)
            )
        else:
            yield Edited(table=table, key=key, says=shown(says), journal=shown(journal))


def shown(value: Any) -> str:
    """VALUE as it may stand in a line; nothing where it is not there."""
    if value is None:
        return ""
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
