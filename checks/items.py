"""A line that is answered by other lines."""

from __future__ import annotations

from checks.contract import Context, check
from state.verdicts import Outcome, Verdict


@check("items.passed", timeout="5s")
def passed(ctx: Context, *, items: list[str]) -> Outcome:
    """All ITEMS (ids) have passed; one that has not run yet is unknown."""
    if not items:
        return Outcome.unknown("no item is named", hint='items = ["…"]')
    seen = {name: ctx.evidence[name].verdict for name in items if name in ctx.evidence}
    evidence = {name: str(seen.get(name, "not run")) for name in items}
    expected = f"all {len(items)} pass"
    bad = [name for name, verdict in seen.items() if verdict in (Verdict.FAIL, Verdict.WARN)]
    blind = [name for name in items if name not in bad and seen.get(name) is not Verdict.PASS]
    if bad:
        actual = f"{len(bad)} of {len(items)} did not pass: {', '.join(bad)}"
        return Outcome.failed(actual, expected=expected, evidence=evidence, hint=f"go to {bad[0]}")
    if blind:
        actual = f"not known: {', '.join(blind)}"
        return Outcome.unknown(actual, hint=f"run {blind[0]} first", evidence=evidence)
    return Outcome.passed(f"{len(items)} of {len(items)} passed", expected=expected, evidence=evidence)
