"""Marks from the command line. A confirmation names the evidence that was seen, as in the cockpit."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from tminus.cli.common import DOES_NOT_HOLD, checklist_option, end, name_option, with_client
from tminus.cli.show import item_lines
from tminus.client.connection import Client
from tminus.client.requests import MarkItem


def _mark(checklist: Path, name: str, request: MarkItem, done: str) -> None:
    async def use(client: Client) -> int:
        await client.ask(request)
        click.echo(f"{request.item}: {done}")
        return 0

    with_client(checklist, name, use)


@click.command()
@click.argument("item")
@click.option("--seen", default="", metavar="DIGEST", help="The evidence you saw, as `tminus status ITEM` prints it.")
@click.option("--value", default="", help="A value that you read yourself.")
@click.option("--reason", default="", help="Why a warning is acceptable (10 characters or more).")
@checklist_option
@name_option
def confirm(item: str, seen: str, value: str, reason: str, checklist: Path, name: str) -> None:
    """Confirm ITEM. At a terminal the evidence is shown and you are asked; elsewhere --seen says what you saw."""

    async def use(client: Client) -> int:
        view = client.view.items.get(item)
        digest = seen
        if view is not None and not seen and view.evidence_digest:
            click.echo("\n".join(item_lines(client.view, item)))
            if not sys.stdin.isatty():
                end(
                    DOES_NOT_HOLD,
                    f"look at the evidence above, then: tminus confirm {item} --seen {view.evidence_digest}",
                )
            if not click.confirm("Confirm this?", default=False):
                return DOES_NOT_HOLD
            digest = view.evidence_digest
        await client.ask(MarkItem(item=item, mark="confirmed", evidence=digest, value=value, reason=reason))
        click.echo(f"{item}: confirmed")
        return 0

    with_client(checklist, name, use, watch=True)


_reason = click.option("--reason", required=True, help="Why, in 10 characters or more.")


@click.command()
@click.argument("item")
@_reason
@checklist_option
@name_option
def fail(item: str, reason: str, checklist: Path, name: str) -> None:
    """Mark ITEM as failed."""
    _mark(checklist, name, MarkItem(item=item, mark="failed", reason=reason), "marked failed")


@click.command()
@click.argument("item")
@_reason
@checklist_option
@name_option
def skip(item: str, reason: str, checklist: Path, name: str) -> None:
    """Skip ITEM."""
    _mark(checklist, name, MarkItem(item=item, mark="skipped", reason=reason), "skipped")


@click.command()
@click.argument("item")
@_reason
@click.option("--until", default="", help="When the waiver ends: 30m, 2h, or a moment.")
@checklist_option
@name_option
def waive(item: str, reason: str, until: str, checklist: Path, name: str) -> None:
    """Let ITEM pass in your name. It still shows its real verdict, and the waiver drops if that changes."""
    _mark(checklist, name, MarkItem(item=item, mark="waived", reason=reason, until=until), "waived")


@click.command()
@click.argument("item")
@_reason
@checklist_option
@name_option
def na(item: str, reason: str, checklist: Path, name: str) -> None:
    """Say that ITEM does not apply."""
    _mark(checklist, name, MarkItem(item=item, mark="n/a", reason=reason), "not applicable")


@click.command()
@click.argument("item")
@checklist_option
@name_option
def undo(item: str, checklist: Path, name: str) -> None:
    """Take the mark of ITEM back. Undoing is recorded too."""
    _mark(checklist, name, MarkItem(item=item, mark="open"), "open again")
