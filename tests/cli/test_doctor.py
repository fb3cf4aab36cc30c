"""`tminus doctor` on a real tmux server, set well and badly, and on a settings file with mistakes."""

from __future__ import annotations

import json
import os
import pty
import shutil
import subprocess
import time

import pytest
from click.testing import CliRunner

from tminus.cli import cli
from tminus.cli.doctor_tmux import LINES, UNKNOWN, ask, tmux_findings
from tminus.settings import settings_path

STOCK = "set -s escape-time 500\nset -s set-clipboard external\nset -g default-terminal screen\nset -g window-size latest\n"
needs_tmux = pytest.mark.skipif(shutil.which("tmux") is None, reason="no tmux here")


@pytest.fixture
def found(tmp_path, monkeypatch):
    """found(configuration): what the doctor finds in a tmux server with it."""
    servers = []

    def look(configuration):
        (tmp_path / "conf").write_text(configuration)
        servers.append(["tmux", "-S", str(tmp_path / f"s{len(servers)}"), "-f", str(tmp_path / "conf")])
        subprocess.run([*servers[-1], "new-session", "-d", "sleep 60"], check=True)
        monkeypatch.setenv("TMUX", f"{servers[-1][2]},1,0")
        return {what: (told, good) for what, told, good, _ in tmux_findings()}

    yield look
    for tmux in servers:
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


CONF_BAD = {
    "tmux escape-time": "set -sg escape-time 500",
    "tmux set-clipboard": "set -s set-clipboard external",
    "tmux terminal": 'set -g default-terminal "screen"',
    "tmux window-size": "set -g window-size latest",
}


@needs_tmux
@pytest.mark.parametrize("what", CONF_BAD)
def test_each_line_is_missed_where_its_setting_is_bad_and_mends_it(found, what) -> None:
    order = ("tmux escape-time", "tmux set-clipboard", "tmux terminal", "", "tmux window-size")
    bad = found("\n".join((*LINES, CONF_BAD[what])))
    assert [name for name, (_, good) in bad.items() if good is False] == [what]
    mended = found("\n".join((*LINES, CONF_BAD[what], LINES[order.index(what)])))
    assert mended[what][1] is True


@needs_tmux
@pytest.mark.parametrize(("conf", "told"), [("", "no; "), (LINES[3], "yes")])
def test_the_line_of_the_colours_is_seen_in_the_options_and_in_a_client_that_is_attached(found, conf, told) -> None:
    assert found(conf)["tmux RGB"][0].startswith(told)
    ours, theirs = pty.openpty()  # a terminal that tells tmux nothing of itself
    bare = {key: value for key, value in os.environ.items() if not key.startswith("TMUX")}
    attach = ["tmux", "-S", os.environ["TMUX"].split(",")[0], "attach"]
    client = subprocess.Popen(attach, stdin=theirs, stdout=theirs, stderr=theirs, env={**bare, "TERM": "xterm"})
    try:
        while not ask("list-clients", "-F", "#{client_termfeatures}"):
            assert client.poll() is None
            time.sleep(0.02)
        features = {what: found for what, found, _, _ in tmux_findings()}
        assert features["tmux RGB"].startswith(told)
        assert features["tmux clients"].endswith("read-write")
    finally:
        client.kill()
        client.wait()
        os.close(ours)
        os.close(theirs)


@pytest.fixture
def outside(tmp_path, monkeypatch):
    """outside(configuration): what is found where no tmux server runs, with it as ~/.tmux.conf."""
    monkeypatch.delenv("TMUX", raising=False)
    monkeypatch.setenv("TMUX_TMPDIR", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))

    def look(configuration):
        (tmp_path / ".tmux.conf").write_text(configuration)
        return {what: (told, good) for what, told, good, _ in tmux_findings()}

    return look


@needs_tmux
def test_with_no_server_running_the_settings_are_read_as_tmux_would(outside, tmp_path) -> None:
    assert outside("\n".join(LINES))["tmux escape-time"] == ("10", True)
    assert outside("set -sg escape-time 300")["tmux escape-time"] == ("300", False)
    assert [what for what, (_, good) in outside("\n".join(LINES)).items() if good is False] == []
    listed = subprocess.run(["tmux", "list-sessions"], capture_output=True, text=True, check=False)
    assert listed.returncode == 1  # none was left behind
    assert {path.name for path in tmp_path.iterdir()} <= {".tmux.conf", f"tmux-{os.getuid()}"}


@needs_tmux
def test_a_configuration_that_runs_programs_is_not_run_to_read_it(outside, tmp_path) -> None:
    seen = outside(f"set -sg escape-time 10\nrun-shell 'touch {tmp_path}/ran'")
    assert list(seen) == ["tmux settings"] and seen["tmux settings"][0].startswith(UNKNOWN)
    assert not (tmp_path / "ran").exists()


def test_without_tmux_there_is_nothing_to_read(outside, monkeypatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert outside("")["tmux settings"] == (f"{UNKNOWN}: there is no tmux here", None)


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
