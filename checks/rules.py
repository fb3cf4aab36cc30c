"""What the checklist says of the data, in `[transfer]`: the rules for values, and the columns that stay private."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from checks.contract import Context
from state.problems import KeyPath
from state.schema import did_you_mean
from transfer.errors import Refused
from transfer.opening import reading
from transfer.sqlite import tables


@dataclass(frozen=True, slots=True)
class Told:
    """`[transfer]` as plain data. RULES by "table.column" or "table"; PRIVATE: columns whose values are not shown."""

    rules: Mapping[str, tuple[str, ...]]
    private: frozenset[str]

    @property
    def keywords(self) -> dict[str, Any]:
        """The keyword `rules` of `transfer.copy` and its kin, when anything was said. Raises Refused."""
        if not self.rules and not self.private:
            return {}
        from transfer.rules import read_rules

        return {"rules": read_rules(self.rules, sorted(self.private))}

    def must_know(self, sqlite: Path) -> None:
        """Raises Refused for a private column that SQLITE does not have: misspelled, its values would be shown."""
        if not self.private:
            return
        with reading(sqlite) as con:
            known = [f"{t.name}.{c.name}" for t in tables(con) for c in t.columns]
        for column in sorted(self.private.difference(known)):
            near = did_you_mean(column, known) if get_close_matches(column, known) else "write it as SQLite spells it"
            raise Refused(f"private: there is no column {column!r} in {sqlite.name}; {near}")

    @property
    def lines(self) -> tuple[str, ...]:
        """The rules as a plan shows them."""
        return tuple(f"RULE {key}: {', '.join(names)}" for key, names in self.rules.items())


def told(ctx: Context) -> Told:
    """What the checklist says of the data that the checks of CTX move."""
    return told_in(ctx.transfer.get("rules", {}), ctx.transfer.get("private", ()))


def told_in(rules: Mapping[str, str | Sequence[str]], private: Sequence[str]) -> Told:
    """RULES with each value a tuple: a rule alone is written as a text."""
    return Told({k: (v,) if isinstance(v, str) else tuple(v) for k, v in rules.items()}, frozenset(private))


def rule_problems(rules: Mapping[str, str | Sequence[str]]) -> Iterator[tuple[KeyPath, str, str]]:
    """(key path below `[transfer]`, what is wrong, what would be right) for each rule that nobody knows."""
    if not rules:
        return
    from transfer.rules import read_rules

    for key, rule in rules.items():
        try:
            read_rules({key: rule})
        except Refused as refused:
            message, _, mend = str(refused).partition("; ")
            yield ("rules", key), message, mend
