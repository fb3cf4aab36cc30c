"""docs/commands.md: every command with an example that can be typed, and every key of the cockpit with its command."""

from __future__ import annotations

import os
import shlex
from functools import cache
from pathlib import Path

import click
import pytest

from state.loader import load_checklist
from tminus.cli import COMMANDS, cli
from tminus.cli.commands_page import SECTIONS, command_of, commands_page, example, usage
from tui.actions import ACTIONS, Action

ROOT = Path(__file__).parents[2]
STANDING_FOR = {"N": "1", "SEQ": "1", "ID": "1", "DECISION": "roll-back"}


def parsed(line: str) -> dict[str, object]:
    """What click makes of LINE, which is not run. Fails when it is no command, or not typed as it must be."""
    name, *words = shlex.split(line)[1:]
    command = command_of(name)
    context = command.make_context(name, words, parent=click.Context(cli, info_name="tminus"))
    if isinstance(command, click.Group):
        _, sub, rest = command.resolve_command(context, words)
        context = sub.make_context(sub.name, rest, parent=context)
    return context.params


@cache
def shipped_ids() -> dict[str, set[str]]:
    shipped = load_checklist(ROOT / "checklist.toml").checklist
    return {
        "item": set(shipped.items),
        "phase": {phase.id for phase in shipped.phase},
        "gate": {gate.id for gate in shipped.gate},
        "role": {role.id for role in shipped.role},
    }


def test_the_page_is_what_the_commands_say() -> None:
    page = ROOT / "docs" / "commands.md"
    assert page.read_text(encoding="utf-8") == commands_page(), (
        "python -m tminus.cli.commands_page > docs/commands.md"
    )


def test_every_command_is_on_the_page_once() -> None:
    named = [name for names in SECTIONS.values() for name in names]
    assert sorted(named) == sorted(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_example_of_a_command_can_be_typed_and_is_about_the_checklist_that_is_shipped(name: str) -> None:
    line = example(name)
    assert line.split()[:2] == ["tminus", name]
    where = Path.cwd()
    try:
        os.chdir(ROOT)  # FILE and DIR of an example are looked for
        params = parsed(line)
    finally:
        os.chdir(where)
    for kind, ids in shipped_ids().items():
        assert not params.get(kind) or params[kind] in ids, f"{line}: no {kind} {params[kind]!r}"


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "db"])
def test_its_help_shows_the_example_and_its_usage_begins_with_its_name(name: str) -> None:
    command = command_of(name)
    told = command.get_help(click.Context(command, info_name=f"tminus {name}", terminal_width=200))
    assert f"Example: {example(name)}" in told
    assert usage(name).startswith(f"tminus {name}")


@pytest.mark.parametrize("action", [one for one in ACTIONS if one.twin.startswith("tminus ")], ids=lambda one: one.id)
def test_the_twin_of_a_key_can_be_typed(action: Action) -> None:
    words = [STANDING_FOR.get(word, word.lower() if word.isupper() else word) for word in action.twin.split()]
    if words[1] != "--help":
        parsed(" ".join(words))


def test_every_key_that_acts_has_a_twin() -> None:
    assert not [action.id for action in ACTIONS if action.danger != "none" and not action.twin]
