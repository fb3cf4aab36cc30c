"""What PostgreSQL would refuse, change or lose, found in the data days before the move."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from checks.backups import backup_of, reporting, transfer_errors
from checks.contract import Context, check
from checks.rules import told
from state.verdicts import Outcome

_SHOWN = 12  # findings of each severity that go into the evidence
_EXPECTED = "every value of every table fits PostgreSQL, or has a rule"


@check("transfer.audit", timeout="30m", fresh_for="1d", process=True)
@transfer_errors
def audit(ctx: Context, *, sqlite: str, database_url: str | None = None) -> Outcome:
    """Every value of SQLITE (an item's id, a file or a folder) that PostgreSQL would refuse, change or lose.

    Reads all of it and writes nothing. With DATABASE_URL the types are those of the tables there; without it, those
    that SQLite's own declarations stand for. What a rule of `[transfer]` covers is settled.
    """
    from transfer.audit import audit as look

    rules, path = told(ctx), backup_of(ctx, sqlite)
    rules.must_know(path)
    found = look(
        path,
        database_url,
        rules=rules.rules,
        private=rules.private,
        progress=reporting(ctx),
        cancelled=ctx.cancelled.is_set,
    )
    by = {severity: _open(found.findings, severity) for severity in ("blocks", "changes", "note")}
    settled = sum(finding.settled for finding in found.findings)
    evidence: dict[str, object] = {
        "target": found.target or "assumed from SQLite's declarations",
        "tables": found.tables,
        "rows": found.rows,
        **{severity: len(open_) for severity, open_ in by.items()},
        "settled by rules": settled,
        "seconds": round(found.seconds, 2),
    }
    for severity in ("blocks", "changes"):
        evidence |= {f"{severity} {n}": _told(f) for n, f in enumerate(by[severity][:_SHOWN], 1)}
    looked = f"{found.rows:,} rows of {found.tables} tables"
    if not found.tables:
        return Outcome.unknown("there is no table to look at", hint="is it the right file?", evidence=evidence)
    if by["blocks"] or not found.clean:
        actual = f"{len(by['blocks'])} things that PostgreSQL refuses: {_named(by['blocks'])}"
        return Outcome.failed(actual, expected=_EXPECTED, evidence=evidence, hint=_mend(by["blocks"]))
    if by["changes"]:
        actual = f"{len(by['changes'])} things that would be changed: {_named(by['changes'])}"
        return Outcome.warned(actual, expected=_EXPECTED, evidence=evidence, hint=_mend(by["changes"]))
    return Outcome.passed(f"{looked} fit; {len(by['note'])} notes", expected=_EXPECTED, evidence=evidence)


def _open(findings: Sequence[Any], severity: str) -> list[Any]:
    return [f for f in findings if f.severity == severity and not f.settled]


def _where(finding: Any) -> str:
    return f"{finding.table}.{finding.column}" if finding.column else str(finding.table)


def _named(findings: Sequence[Any]) -> str:
    return ", ".join(dict.fromkeys(map(_where, findings[:6]))) + (", …" if len(findings) > 6 else "")


def _told(finding: Any) -> str:
    count = "" if finding.count is None else f" ({finding.count:,})"
    examples = "; ".join(f"{e.key}: {e.value}" for e in finding.examples[:3])
    return f"{_where(finding)}{count}: {finding.text}" + (f": {examples}" if examples else "")


def _mend(findings: Sequence[Any]) -> str:
    lines = list(dict.fromkeys(f.rule for f in findings if f.rule))
    if not lines:
        return "correct the rows in SQLite, or the schema; `tminus db audit` lists them all"
    rules = "; ".join(lines[:4]) + ("; …" if len(lines) > 4 else "")
    return f"correct the rows in SQLite, or decide for rules in [transfer.rules]: {rules}"
