"""`tminus doctor` on a real tmux server, set well and badly, and on a settings file with mistakes."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest
from click.testing import CliRunner

from tminus.cli import cli
from tminus.cli.doctor_tmux import LINES, UNKNOWN, tmux_findings
from tminus.settings import settings_path

STOCK = "set -s escape-time 500\nset -s set-clipboard external\nset -g default-terminal screen\nset -g window-size latest\n"
needs_tmux = pytest.mark.skipif(shutil.which("tmux") is None, reason="no tmux here")


@pytest.fixture
def found(tmp_path, monkeypatch):
    """found(configuration): what the doctor finds in a tmux server with it."""
    socket = tmp_path / "s"
    tmux = ["tmux", "-S", str(socket), "-f", str(tmp_path / "conf")]

    def look(configuration):
        (tmp_path / "conf").write_text(configuration)
        subprocess.run([*tmux, "new-session", "-d", "sleep 60"], check=True)
        monkeypatch.setenv("TMUX", f"{socket},1,0")
        return {what: (told, good) for what, told, good, _ in tmux_findings()}

    yield look
    if shutil.which("tmux"):
        subprocess.run([*tmux, "kill-server"], check=False, capture_output=True)


@needs_tmux
def test_a_stock_tmux_has_four_things_to_mend(found) -> None:
    bad = {what for what, (_, good) in found(STOCK).items() if good is False}
    assert bad == {"tmux escape-time", "tmux set-clipboard", "tmux terminal", "tmux window-size"}


@needs_tmux
def test_the_lines_that_it_prints_mend_everything(found) -> None:
    seen = found("\n".join(LINES) + "\n")
    assert [what for what, (_, good) in seen.items() if good is False] == []
    assert seen["tmux clients"][0] == "none attached" and "load-buffer" in seen["copies"][0]


def test_a_tmux_that_does_not_answer_is_unknown_and_never_good(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("TMUX", f"{tmp_path}/none,1,0")
    seen = list(tmux_findings())
    assert all(good is None for _, _, good, _ in seen) and all(told == UNKNOWN for _, told, _, _ in seen)


def test_a_settings_file_with_mistakes_is_named(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    settings_path().parent.mkdir()
    settings_path().write_text('[cockpit.keys]\nrun = "c"\n')
    result = CliRunner().invoke(cli, ["doctor", "--json"])
    (one,) = (finding for finding in json.loads(result.output) if finding["what"] == "settings")
    assert result.exit_code == 1 and one["good"] is False
    assert one["found"].endswith("config.toml") and "run" in one["mend"] and "confirm" in one["mend"]


def test_the_page_of_the_screen_has_the_lines_that_the_doctor_prints() -> None:
    from pathlib import Path

    page = (Path(__file__).parents[2] / "docs" / "cockpit.md").read_text(encoding="utf-8")
    assert "\n".join(LINES) in page
