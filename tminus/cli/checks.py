"""`tminus checks`: what there is to look with."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tminus.cli.common import UNUSABLE, checklist_option, end, json_option

if TYPE_CHECKING:
    from checks.contract import CheckSpec

WIDTH = 110


@click.command(epilog="Example: tminus checks sqlite.backup")
@click.argument("name", default="")
@checklist_option
@json_option
def command(name: str, checklist: Path, as_json: bool) -> None:
    """List the checks, the checks of a group (`tminus checks sqlite`), or all of one (`tminus checks sqlite.backup`).

    The list has each check's effect, parameters (required ones first, those that may be left out in brackets) and an
    example. Of one: every parameter with type and default, and an item ready to be pasted. The checks of the
    checklist's plugins are among them. Exit 2: there is no such check.
    """
    from checks.registry import Registry
    from state.loader import load_checklist
    from state.problems import ChecklistError
    from state.schema import did_you_mean

    plugins: list[str] = []
    if checklist.is_file():
        try:
            plugins = load_checklist(checklist).checklist.plugins
        except ChecklistError as error:
            click.echo(f"the plugins of {checklist.name} are not listed:\n{error}\n", err=True)
    registry = Registry.load(plugins, checklist.parent)
    for problem in registry.problems:
        click.echo(str(problem), err=True)
    names = [one for one in registry.names() if name in ("", one) or one.startswith(f"{name}.")]
    if not names:
        end(UNUSABLE, f"no check {name!r}: {did_you_mean(name, list(registry.names()))}; `tminus checks` lists them")
    specs = [spec for one in names if (spec := registry.get(one)) is not None]
    if as_json:
        import msgspec

        click.echo(msgspec.json.encode([_plain(spec) for spec in specs]).decode())
    elif names == [name]:
        click.echo("\n".join(_whole(specs[0])))
    else:
        click.echo("\n".join(line for spec in specs for line in _short(spec)))


def _short(spec: CheckSpec) -> list[str]:
    from checks.catalogue import example

    ordered = sorted(spec.params, key=lambda param: not param.required)
    params = " ".join(param.name if param.required else f"[{param.name}]" for param in ordered) or "no parameters"
    lines = [f"{spec.name:<24} {spec.effect:<7} {spec.doc}"]
    lines += textwrap.wrap(params, WIDTH, initial_indent=" " * 33, subsequent_indent=" " * 33)
    return [*lines, f"{'':<33}with = {example(spec)}"] if spec.params else lines


def _whole(spec: CheckSpec) -> list[str]:
    from checks.catalogue import about, facts, snippet
    from checks.params import describe, shown_default

    lines = [spec.name, facts(spec), "", *about(spec).splitlines(), ""]
    wide = max((len(param.name) for param in spec.params), default=0)
    for param in spec.params:
        default = "required" if param.required else f"default {shown_default(param)}" if shown_default(param) else ""
        lines.append(f"  {param.name:<{wide}}  {describe(param.kind):<36}  {default}".rstrip())
    return [*lines, *([""] if spec.params else []), snippet(spec)]


def _plain(spec: CheckSpec) -> dict[str, Any]:
    from checks.catalogue import about, example, snippet
    from checks.params import describe, shown_default

    params = [
        {
            "name": param.name,
            "type": describe(param.kind),
            "required": param.required,
            "default": None if param.required else shown_default(param) or None,
        }
        for param in spec.params
    ]
    return {
        "name": spec.name,
        "effect": spec.effect,
        "about": about(spec),
        "deadline": spec.timeout,
        "fresh_for": spec.fresh_for,
        "params": params,
        "with": example(spec),
        "item": snippet(spec),
    }
