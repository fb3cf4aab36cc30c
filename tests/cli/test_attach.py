"""`tminus attach` and a real tmux: its lines are typed as they stand, and who looks on can do nothing."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.engine.other_user import needs_root
from tminus.cli import cli
from tminus.cli.attach import Session, allowing, attach_line, default_socket, sessions

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="no tmux here")
SESSION, OTHER = "cut over", "games"


@pytest.fixture
def folder() -> Iterator[Path]:
    """Short, and other logins may pass through what is above it."""
    with tempfile.TemporaryDirectory(prefix="tmx-") as name:
        yield Path(name)


@pytest.fixture
def server(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The socket of a tmux server of our own whose session echoes what is typed; this process is inside of it."""
    socket = folder / "s"
    tmux("-S", str(socket), "-f", "/dev/null", "new-session", "-d", "-s", SESSION, "-x", "80", "-y", "24", "cat")
    pane = tmux("-S", str(socket), "display-message", "-p", "#{pane_id}").strip()
    monkeypatch.setenv("TMUX", f"{socket},1,0")
    monkeypatch.setenv("TMUX_PANE", pane)
    yield socket
    tmux("-S", str(socket), "kill-server")


def tmux(*words: str) -> str:
    bare = {key: value for key, value in os.environ.items() if not key.startswith("TMUX")}
    return subprocess.run(["tmux", *words], capture_output=True, text=True, check=True, timeout=20, env=bare).stdout


def screen(socket: Path) -> str:
    return tmux("-S", str(socket), "capture-pane", "-p", "-t", SESSION)


def until(socket: Path, form: str, wanted: str) -> None:
    deadline = time.monotonic() + 10
    while wanted not in (got := tmux("-S", str(socket), "list-clients", "-F", form)):
        assert time.monotonic() < deadline, got
        time.sleep(0.02)


def looks_on(socket: Path, outer: Path, line: str, *, as_other: bool) -> None:
    """Type LINE in another terminal (a pane of the tmux server at OUTER), then keys; and hold the client read-only."""
    uid = f"setpriv --reuid {OTHER} --regid {OTHER} --clear-groups " if as_other else ""
    bare = "env -u TMUX -u TMUX_PANE LANG=C.UTF-8 "
    tmux("-S", str(outer), "-f", "/dev/null", "new-session", "-d", "-s", "theirs", f"{uid}{bare}{line}; cat")
    try:
        until(socket, "#{client_readonly} #{client_uid}", "1 5" if as_other else "1 0")
        tmux("-S", str(outer), "send-keys", "-t", "theirs", "typed by a stranger", "Enter")
        tmux("-S", str(outer), "send-keys", "-t", "theirs", "C-b", "c")
        # What the owner types afterwards is there, so what the other typed before would be.
        tmux("-S", str(socket), "send-keys", "-t", SESSION, "typed by the owner", "Enter")
        deadline = time.monotonic() + 10
        while screen(socket).count("typed by the owner") < 2:
            assert time.monotonic() < deadline, screen(socket)
            time.sleep(0.02)
        assert "stranger" not in screen(socket)
        assert len(tmux("-S", str(socket), "list-windows", "-t", SESSION).splitlines()) == 1
    finally:
        tmux("-S", str(outer), "kill-server")


def told(*words: str) -> tuple[int, dict]:
    result = CliRunner().invoke(cli, ["attach", "--json", *words], catch_exceptions=False)
    return result.exit_code, json.loads(result.stdout)


def test_inside_tmux_it_names_this_very_socket_and_session(server: Path, tmp_path: Path) -> None:
    code, facts = told("-C", str(tmp_path / "check list.toml"))
    assert code == 0 and facts["watch"] == f"tminus watch -C '{tmp_path}/check list.toml'"
    (one,) = facts["sessions"]
    assert one["attach"] == f"tmux -S {server} attach -r -t '{SESSION}'"
    shown = CliRunner().invoke(cli, ["attach"]).stdout
    assert shown.index("tminus watch -C") < shown.index(one["attach"])


def test_who_looks_on_by_its_line_can_do_nothing(server: Path, folder: Path) -> None:
    (session,) = sessions()
    looks_on(server, folder / "outer", attach_line(session), as_other=False)


@needs_root
def test_another_login_is_let_in_by_its_lines_and_can_do_nothing_even_without_r(server: Path, folder: Path) -> None:
    denied = ["setpriv", "--reuid", OTHER, "--regid", OTHER, "--clear-groups", "tmux", "-S", str(server), "ls"]
    assert subprocess.run(denied, capture_output=True, check=False, timeout=20).returncode == 1
    (one,) = told("--login", OTHER)[1]["sessions"]
    assert one["allow"][-1] == f"tmux -S {server} server-access -a -r {OTHER}"
    for line in one["allow"]:
        subprocess.run(shlex.split(line), check=True, timeout=20)
    for number, line in enumerate((one["attach"], one["attach"].replace(" -r ", " "))):
        looks_on(server, folder / f"outer{number}", line, as_other=True)


@needs_root
def test_the_default_sockets_folder_is_opened_as_far_as_tmux_takes_it(folder: Path, monkeypatch) -> None:
    monkeypatch.setenv("TMUX_TMPDIR", str(folder))
    folder.chmod(0o755)
    socket = default_socket()
    tmux_here = ["env", "-u", "TMUX", "-u", "TMUX_PANE", "tmux"]
    subprocess.run([*tmux_here, "-f", "/dev/null", "new-session", "-d", "-s", SESSION, "cat"], check=True, timeout=20)
    monkeypatch.setenv("TMUX", f"{socket},1,0")
    monkeypatch.delenv("TMUX_PANE", raising=False)
    try:
        (one,) = told("--login", OTHER)[1]["sessions"]
        assert one["attach"] == f"tmux attach -r -t '{SESSION}'"
        assert one["allow"][0] == f"chgrp {OTHER} {socket.parent}"
        for line in one["allow"]:
            subprocess.run(shlex.split(line), check=True, timeout=20)
        looks_on(socket, folder / "outer", f"tmux -S {socket} attach -r -t '{SESSION}'", as_other=True)
        # Its owner still finds it: tmux refuses a folder that everybody may enter.
        subprocess.run([*tmux_here, "list-sessions"], check=True, timeout=20, capture_output=True)
    finally:
        subprocess.run([*tmux_here, "kill-server"], check=True, timeout=20)


def test_the_default_socket_is_not_named_and_an_old_tmux_keeps_nobody_read_only(tmp_path: Path) -> None:
    assert attach_line(Session("cutover", default_socket(), "3.4")) == "tmux attach -r -t cutover"
    (why,) = allowing(Session("cutover", tmp_path / "s", "3.2a"), "")
    assert "3.3" in why and "3.2a" in why


def test_outside_tmux_it_finds_the_sessions_that_run_tminus(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TMUX", raising=False)
    monkeypatch.setenv("TMUX_TMPDIR", str(folder))
    code, facts = told()
    assert code == 1 and facts["sessions"] == []
    assert "tmux new -s cutover" in CliRunner().invoke(cli, ["attach"]).stdout
    bare = {key: value for key, value in os.environ.items() if not key.startswith("TMUX_PANE")}
    program = folder / "tminus"
    program.write_text(f"#!{sys.executable}\nimport time\ntime.sleep(60)\n")
    program.chmod(0o755)
    for name, what in (("other", "cat"), ("cutover", f"{program} run")):
        argv = ["tmux", "-f", "/dev/null", "new-session", "-d", "-s", name, what]
        subprocess.run(argv, check=True, env=bare, timeout=20)
    try:
        deadline = time.monotonic() + 10
        while not (found := list(sessions())):
            assert time.monotonic() < deadline
        assert [attach_line(one) for one in found] == ["tmux attach -r -t cutover"]
        assert told()[0] == 0
    finally:
        subprocess.run(["tmux", "kill-server"], check=True, env=bare, timeout=20)


def test_without_tmux_it_still_says_how_to_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    result = CliRunner().invoke(cli, ["attach"])
    assert result.exit_code == 3 and "tminus watch -C" in result.stdout and "not installed" in result.stderr


def test_a_login_that_does_not_exist_is_refused() -> None:
    code, facts = told("--login", "nobody-by-that-name")
    assert code == 2 and "nobody-by-that-name" in facts["error"]
