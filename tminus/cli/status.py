"""`tminus status`: the run in plain text."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from tminus.cli.common import DOES_NOT_HOLD, HOLDS, UNUSABLE, checklist_option, end, json_option, with_client
from tminus.cli.show import item_lines, status_lines
from tminus.client.connection import Client


@click.command()
@click.argument("item", default="")
@checklist_option
@json_option
def command(item: str, checklist: Path, as_json: bool) -> None:
    """Print where the run stands, or ITEM with its evidence. Exit 0 on GO (or ITEM settled), else 1."""

    async def use(client: Client) -> int:
        view = client.view
        if item and item not in view.items:
            end(UNUSABLE, f"no item {item!r}; `tminus status` lists the phases, the checklist file the items")
        if as_json:
            what = view.items[item] if item else msgspec.structs.replace(view, phases=(), output={}, series={})
            click.echo(msgspec.json.encode(what).decode())
        else:
            click.echo("\n".join(item_lines(view, item) if item else status_lines(view)))
        holds = view.items[item].settled if item else view.standing.go == "GO"
        return HOLDS if holds else DOES_NOT_HOLD

    with_client(checklist, "", use, watch=True)
