"""`tminus validate`: every mistake in a checklist, at once."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from tminus.cli.common import UNUSABLE, json_option


@click.command(epilog="Example: tminus validate checklist.toml")
@click.argument("file", type=click.Path(path_type=Path), default=Path("checklist.toml"))
@json_option
def command(file: Path, as_json: bool) -> None:
    """Check FILE (checklist.toml) without running anything: its form, its references, the parameters of its checks.

    Every mistake is named with its line, its key path and what would be right. Exit 0 when there is none, else 2.
    Comments that begin with TODO, as `tminus init` writes them, and roles without a name are listed as still open:
    they are no mistakes.
    """
    from state.problems import ChecklistError
    from tminus.definition import load

    try:
        loaded, registry = load(file)
    except ChecklistError as error:
        if as_json:
            click.echo(msgspec.json.encode({"ok": False, "problems": error.problems}).decode())
        else:
            click.echo(str(error))
            count = len(error.problems)
            click.echo(f"\n{count} mistake{'s' if count > 1 else ''}", err=True)
        raise SystemExit(UNUSABLE) from None
    from tminus.survey.draft import open_in

    checklist = loaded.checklist
    nameless = [] if checklist.rehearsal else [role for role in checklist.role if not role.name]
    still_open = [
        *open_in(file.read_text(encoding="utf-8")),
        *(f"role {role.id}: nobody is named as {role.title}" for role in nameless),
    ]
    items = checklist.items.values()
    summary = {
        "ok": True,
        "phases": len(checklist.phase),
        "items": len(items),
        "checked": sum(bool(item.check) for item in items),
        "gates": len(checklist.gate),
        "checks": len(registry.names()),
        "open": still_open,
    }
    if as_json:
        click.echo(msgspec.json.encode(summary).decode())
    else:
        click.echo(
            "{phases} phases, {items} items, {checked} of them with a check, {gates} gates: ok".format(**summary)
        )
        for what in still_open:
            click.echo(f"open  {what}")
