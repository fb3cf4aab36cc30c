"""`tminus checks`: what there is to look with."""

from __future__ import annotations

from pathlib import Path

import click

from tminus.cli.common import UNUSABLE, checklist_option, end


@click.command()
@click.argument("name", default="")
@checklist_option
def command(name: str, checklist: Path) -> None:
    """List the checks, or show one: its parameters, its effect, its deadline, an example."""
    from checks.catalogue import section
    from checks.registry import Registry
    from state.loader import load_checklist
    from state.problems import ChecklistError

    plugins: list[str] = []
    if checklist.is_file():
        try:
            plugins = load_checklist(checklist).checklist.plugins
        except ChecklistError as error:
            click.echo(f"the plugins of {checklist.name} are not listed:\n{error}\n", err=True)
    registry = Registry.load(plugins, checklist.parent)
    for problem in registry.problems:
        click.echo(str(problem), err=True)
    names = [name] if name else list(registry.names())
    for one in names:
        spec = registry.get(one)
        if spec is None:
            end(UNUSABLE, f"no check {one!r}; `tminus checks` lists them")
        click.echo(section(spec) if name else f"{one:<24} {spec.effect:<7} {spec.doc}")
