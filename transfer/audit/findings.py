"""What the audit says: a finding for everything PostgreSQL would refuse, change or not carry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from transfer.pairing import ColumnPair
from transfer.values import Value

SHOWN = 60  # characters of a value
EXAMPLES = 3  # of a finding


class Severity(StrEnum):
    """BLOCKS: a copy is refused. CHANGES: it goes through, but something is not as it was. NOTE: to be known."""

    BLOCKS = "blocks"
    CHANGES = "changes"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Example:
    """A row by its key, "id=5", and the value there, shortened; "(private)" of a private column."""

    key: str
    value: str


@dataclass(frozen=True, slots=True)
class AuditFinding:
    """COUNT rows (None: not a matter of rows) of a table, or of a column of it, that are of KIND (a stable name).

    RULE: the line of `[transfer.rules]` that would settle it; None: only a change of data or schema can. SETTLED:
    such a rule stands there.
    """

    table: str
    column: str | None
    kind: str
    severity: Severity
    count: int | None
    examples: tuple[Example, ...]
    text: str
    rule: str | None = None
    settled: bool = False


@dataclass(frozen=True, slots=True)
class Audit:
    """Everything that was found in TABLES tables with ROWS rows. TARGET: whose types it was held against."""

    findings: tuple[AuditFinding, ...]
    tables: int
    rows: int
    seconds: float
    target: str | None

    @property
    def clean(self) -> bool:
        """Nothing that blocks is left unsettled."""
        return not any(f.severity is Severity.BLOCKS and not f.settled for f in self.findings)


def shown(value: Value, column: ColumnPair | None) -> str:
    """A value as a person reads it."""
    if column is not None and column.private and value is not None:
        return "(private)"
    text = repr(value)
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"


def rule_line(column: str, rules: Sequence[str]) -> str:
    """The TOML of a rule: `"users.age" = "cast"`."""
    if len(rules) == 1:
        return f"{toml_text(column)} = {toml_text(rules[0])}"
    return f"{toml_text(column)} = [{', '.join(toml_text(rule) for rule in rules)}]"


def toml_text(text: str) -> str:
    r"""TEXT as a basic string of TOML, of printable letters alone: a table may have any name.

    >>> print(toml_text('a "b" \x1b[2J'))
    "a \"b\" \u001B[2J"
    """
    return f'"{"".join(ch if ch.isprintable() and ch not in _ESCAPED else _escape(ch) for ch in text)}"'


def _escape(ch: str) -> str:
    if ch in _ESCAPED:
        return f"\\{ch}"
    if "\ud800" <= ch <= "\udfff":  # TOML has no word for half a letter
        return "\\uFFFD"
    return f"\\u{ord(ch):04X}" if ch <= "\uffff" else f"\\U{ord(ch):08X}"


_ESCAPED = '"\\'
