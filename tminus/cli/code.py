"""`tminus code`: what in a project's code will not work on PostgreSQL."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from tminus.cli.common import COULD_NOT_LOOK, DOES_NOT_HOLD, HOLDS, UNUSABLE, end, json_option
from tminus.version import __version__


@click.command(epilog="Example: tminus code src --format sarif")
@click.argument("folder", type=click.Path(path_type=Path), default=Path(), metavar="[DIR]")
@click.option(
    "--format", "form", type=click.Choice(["text", "json", "sarif"]), default="text", show_default=True,
    help="text for people, json for scripts, sarif 2.1.0 for editors and CI.",
)  # fmt: skip
@json_option
@click.option("--off", multiple=True, metavar="RULE", help="Leave a rule out, or a subject (sql/). May be repeated.")
@click.option("--env", "environment", multiple=True, metavar="NAME=VALUE", help="A variable of the live service.")
@click.option("--tests", is_flag=True, help="Read the tests too.")
def command(
    folder: Path, form: str, as_json: bool, off: tuple[str, ...], environment: tuple[str, ...], tests: bool
) -> None:
    """Read the project in DIR (the current folder) and name what will not work on PostgreSQL, by file and line.

    Nothing of the project is run. Every rule is explained in docs/code.md. Exit codes: 0 nothing found, 1 findings,
    2 usage, 3 the project could not be read.
    """
    from checks.code.catalogue import all_rules
    from checks.code.reading import read_code
    from transfer.errors import CouldNotLook

    rules = all_rules()
    known = {rule.id for rule in rules} | {f"{rule.id.partition('/')[0]}/" for rule in rules}
    if strange := [rule for rule in off if rule not in known]:
        end(UNUSABLE, f"no rule {strange[0]!r}; the rules: {', '.join(sorted(known))}")
    if bad := [one for one in environment if "=" not in one]:
        end(UNUSABLE, f"--env {bad[0].partition('=')[0]}: write NAME=VALUE")
    variables = dict(one.split("=", 1) for one in environment)
    try:
        read = read_code(folder, environment=variables, tests=tests, off=off)
    except CouldNotLook as blind:
        end(COULD_NOT_LOOK, str(blind))
    if not read.files and not read.findings:
        end(COULD_NOT_LOOK, f"no Python file in {folder}")
    form = "json" if as_json else form
    if form == "text":
        for one in read.findings:
            click.echo(f"{one.where}: {one.level}: {one.message} [{one.rule}]\n    {one.mend}")
        click.echo(f"{len(read.findings)} findings in {read.files} files", err=True)
    else:
        from dataclasses import asdict
        from json import dumps

        from checks.code.sarif import sarif

        found = [asdict(one) for one in read.findings]
        click.echo(dumps(sarif(read.findings, rules, __version__) if form == "sarif" else found, indent=2))
    sys.exit(DOES_NOT_HOLD if read.findings else HOLDS)
