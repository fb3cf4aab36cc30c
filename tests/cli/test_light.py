"""The command line starts quickly because it loads only what a command needs."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {
    "textual",
    "sqlalchemy",
    "psycopg2",
    "httpx",
    "checks",
    "metrics",
    "transfer",
    "rehearsal",
    "locust",
    "flask",
}


@pytest.mark.parametrize(
    ("what", "code"),
    [
        (
            "help",
            "import sys; sys.argv = ['tminus', '--help']; import tminus.cli; tminus.cli.cli(standalone_mode=False)",
        ),
        ("client", "import tminus.client"),
        ("package", "import tminus"),
        ("status", "import tminus.cli.status"),
        ("marks", "import tminus.cli.marks"),
    ],
)
def test_it_loads_none_of_the_heavy_rooms(what, code) -> None:
    seen = f"{code}\nimport sys; print(*(m.partition('.')[0] for m in sys.modules), file=sys.stderr)"
    ended = subprocess.run([sys.executable, "-c", seen], capture_output=True, text=True, timeout=60, check=True)
    assert not HEAVY & set(ended.stderr.split())


def test_the_help_of_no_command_loads_what_only_its_work_needs() -> None:
    code = """
import sys
from click.testing import CliRunner
from tminus.cli import COMMANDS, cli
for name in COMMANDS:
    assert CliRunner().invoke(cli, [name, "--help"]).exit_code == 0, name
print(*(m.partition('.')[0] for m in sys.modules))
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert not (HEAVY | {"yaml", "jsonschema"}) & set(ended.stdout.split())


def test_plugins_import_the_contract_from_the_front_door() -> None:
    import tminus
    from checks.contract import check
    from state.verdicts import Outcome

    assert tminus.check is check
    assert tminus.Outcome is Outcome
    with pytest.raises(AttributeError, match="nonsense"):
        _ = tminus.nonsense


def test_every_command_of_the_table_is_there_and_explains_itself() -> None:
    from click.testing import CliRunner

    from tminus.cli import COMMANDS, cli

    for name in COMMANDS:
        result = CliRunner().invoke(cli, [name, "--help"])
        assert result.exit_code == 0, result.output
        assert len(result.output) > 120, name


def test_every_action_of_the_cockpit_has_a_command_that_exists() -> None:
    from tminus.cli import COMMANDS
    from tui.actions import ACTIONS

    twins = {action.id: action.twin.split() for action in ACTIONS if action.twin}
    assert all(words[1] in COMMANDS or words[1] == "--help" for words in twins.values()), twins
    # Only what moves about on the screen itself may go without one.
    assert {action.id for action in ACTIONS if action.danger != "none"} <= twins.keys()
