"""`tminus check`: read checks without an engine and without a record, for CI, cron and the days before."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from state.definition import Checklist, Item
from state.problems import ChecklistError
from state.redact import Redactor
from state.schema import did_you_mean
from state.targets import resolve
from state.verdicts import Outcome, Verdict
from tminus.cli.common import COULD_NOT_LOOK, DOES_NOT_HOLD, HOLDS, UNUSABLE, checklist_option, end, json_option
from tminus.junit import junit_xml
from tminus.outlet import Outlet, guard_output

if TYPE_CHECKING:
    from checks.registry import Registry
    from checks.runner import Call


class Looked(msgspec.Struct, frozen=True, kw_only=True):
    """One item that was looked at."""

    item: str
    phase: str
    text: str
    check: str
    outcome: Outcome
    seconds: float


@click.command(epilog="Example: tminus check --phase pre --format junit")
@click.argument("items", nargs=-1)
@click.option("--phase", default="", help="Every read check of this phase.")
@click.option("--format", "form", type=click.Choice(["text", "json", "junit"]), default="text", show_default=True)
@json_option
@click.option("--at-once", type=click.IntRange(1, 32), default=8, show_default=True, help="How many side by side.")
@checklist_option
def command(items: tuple[str, ...], phase: str, form: str, as_json: bool, at_once: int, checklist: Path) -> None:
    """Run the read checks of ITEMS, of a phase, or all of them. Nothing is changed and nothing is recorded.

    Checks that change something are left out here: they run only in a run, on a go. Exit 0: all pass. 1:
    something fails or warns. 2: usage, or a checklist that cannot be used. 3: something is unknown or could not
    be looked at.
    """
    from tminus.definition import load

    form = "json" if as_json else form
    try:
        loaded, registry = load(checklist)
    except ChecklistError as error:
        end(UNUSABLE, str(error))
    chosen = _chosen(loaded.checklist, registry, items, phase)
    looked = asyncio.run(_look(loaded.checklist, registry, chosen, checklist.parent.resolve(), at_once, form))
    if form == "json":
        click.echo(msgspec.json.encode(looked).decode())
    elif form == "junit":
        click.echo(junit_xml([(x.phase, x.item, x.text, x.seconds, x.outcome) for x in looked]))
    sys.exit(exit_code([x.outcome.verdict for x in looked]))


def exit_code(verdicts: Sequence[Verdict]) -> int:
    """3 outranks 1: what could not be looked at may hide anything. Nothing looked at is not a success.

    >>> [exit_code(v) for v in ([Verdict.PASS], [Verdict.WARN], [Verdict.FAIL, Verdict.UNKNOWN], [])]
    [0, 1, 3, 3]
    """
    if not verdicts or not all(verdict.is_known for verdict in verdicts):
        return COULD_NOT_LOOK
    return HOLDS if all(verdict is Verdict.PASS for verdict in verdicts) else DOES_NOT_HOLD


def _chosen(checklist: Checklist, registry: Registry, items: Sequence[str], phase: str) -> list[Item]:
    phases = {p.id: p for p in checklist.phase}
    if phase and phase not in phases:
        end(UNUSABLE, f"no phase {phase!r}: {did_you_mean(phase, list(phases))}")
    for item_id in items:
        if item_id not in checklist.items:
            end(UNUSABLE, f"no item {item_id!r}: {did_you_mean(item_id, list(checklist.items))}")
    named = [checklist.items[item_id] for item_id in items] + list(phases[phase].items if phase else ())
    candidates = named or list(checklist.items.values())
    chosen: list[Item] = []
    left_out: list[Item] = []
    for item_id in dict.fromkeys(item.id for item in candidates):
        found = checklist.items[item_id]
        spec = registry.get(found.check) if found.check else None
        (chosen if spec and spec.effect == "read" and not found.out_of_scope else left_out).append(found)
    for item in left_out:
        if item.id in items:
            why = item.out_of_scope or ("it changes something" if item.check else "it has no check")
            end(UNUSABLE, f"{item.id}: {why}; `tminus run` is the place for it")
    if not chosen:
        end(UNUSABLE, "no read check among these items")
    return chosen


async def _look(
    checklist: Checklist, registry: Registry, items: Sequence[Item], project: Path, at_once: int, form: str
) -> list[Looked]:
    from checks.runner import Call, run_many

    targets = resolve(checklist.targets, os.environ)
    redact = Redactor.knowing(targets.secrets)
    if isinstance(sys.stdout, Outlet):
        guard_output(redact)  # what a plugin prints as well
    began = time.monotonic()
    found: dict[str, Looked] = {}

    def heard(call: Call, outcome: Outcome) -> None:
        item = call.item
        found[item.id] = Looked(
            item=item.id,
            phase=checklist.phase_of(item.id).id,
            text=item.text,
            check=item.check,
            outcome=outcome,
            seconds=round(time.monotonic() - began, 3),
        )
        if form == "text":
            click.echo(f"{outcome.verdict.upper():<8}{item.id:<24} {outcome.actual}")
            if outcome.verdict is not Verdict.PASS and outcome.hint:
                click.echo(f"{'':8}{'':24} {outcome.hint}")

    with tempfile.TemporaryDirectory(prefix="tminus-check-") as folder:
        calls = [
            Call(
                item=item,
                project=project,
                artefacts=Path(folder),
                targets=targets,
                redact=redact,
                transfer=msgspec.to_builtins(checklist.transfer),
            )
            for item in items
        ]
        await run_many(registry, calls, at_once=at_once, on_outcome=heard)
    return [found[item.id] for item in items]
