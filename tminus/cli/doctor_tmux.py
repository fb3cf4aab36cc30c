"""What tmux is set to, and what to set: for `tminus doctor`. What tmux does not tell is "cannot tell"."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import string
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

LINES = (
    "set -sg escape-time 10                      # Esc answers at once",
    "set -s set-clipboard on                     # copies reach your machine",
    'set -g default-terminal "tmux-256color"     # 256 colours inside',
    'set -as terminal-features ",*:RGB"          # 16 million, if your terminal has them',
    "set -g window-size smallest                 # a second client never hides a part of the screen",
)
"""The lines for ~/.tmux.conf, in the order of docs/cockpit.md."""

UNKNOWN = "cannot tell"

Found = tuple[str, str, bool | None, str]
Ask = Callable[..., str | None]

_READ_FROM = ("/etc/tmux.conf", "~/.tmux.conf", "$XDG_CONFIG_HOME/tmux/tmux.conf", "~/.config/tmux/tmux.conf")
_RUNS_PROGRAMS = re.compile(r"^\s*(run|run-shell|if|if-shell|source|source-file|new|new-session)\b", re.MULTILINE)


def ask(*arguments: str) -> str | None:
    """What tmux answers to ARGUMENTS; None when it does not answer."""
    try:
        found = subprocess.run(["tmux", *arguments], capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return found.stdout.strip() if found.returncode == 0 else None


def tmux_findings(environment: Mapping[str, str] = os.environ) -> Iterator[Found]:
    """(what, found, good, mend) of each thing that was looked at; good is None where nothing is to be mended.

    Inside tmux it is about the server that we are in; elsewhere about the one that runs, or else about the one that
    would be started: its settings are read by a server of a moment, on a socket of its own.
    """
    if environment.get("TMUX") or ask("list-sessions") is not None:
        yield from _settings(ask)
        yield from _clients()
    elif (why := _not_to_be_started(environment)) is not None:
        yield "tmux settings", f"{UNKNOWN}: {why}", None, ""
    else:
        with tempfile.TemporaryDirectory(prefix="tminus-tmux-") as folder:
            yield from _settings(lambda *words: ask("-S", f"{folder}/s", "start-server", ";", *words))


def _not_to_be_started(environment: Mapping[str, str]) -> str | None:
    """Why no tmux is started to read its settings; None: it may be."""
    if shutil.which("tmux") is None:
        return "there is no tmux here"
    for name in _READ_FROM:
        path = Path(string.Template(name).safe_substitute(environment)).expanduser()
        with contextlib.suppress(OSError):
            if _RUNS_PROGRAMS.search(path.read_text(errors="replace")):
                return f"{path} starts programs or sessions; look again inside tmux"
    return None


def _settings(ask: Ask) -> Iterator[Found]:
    version = ask("display-message", "-p", "#{version}")
    yield "tmux version", version or UNKNOWN, None, ""
    escape = ask("show-options", "-sv", "escape-time")
    yield "tmux escape-time", escape or UNKNOWN, int(escape) <= 50 if escape and escape.isdigit() else None, LINES[0]
    yield from _clipboard(ask, version)
    inside = ask("show-options", "-gv", "default-terminal")
    yield "tmux terminal", inside or UNKNOWN, "256color" in inside if inside else None, LINES[2]
    yield from _rgb(ask)
    size = ask("show-options", "-gv", "window-size")
    # Of the others, latest and largest let a second client hide a part of the screen.
    yield "tmux window-size", size or UNKNOWN, size in ("smallest", "manual") if size else None, LINES[4]
    focus = ask("show-options", "-sv", "focus-events")
    yield "tmux focus-events", focus or UNKNOWN, None, ""


def _rgb(ask: Ask) -> Iterator[Found]:
    """Whether colours come through whole: as the client that is attached has it, else as the options ask for it."""
    attached = ask("display-message", "-p", "#{client_termfeatures}")
    wanted = (
        attached.split(",")
        if attached
        else re.split(r"[:,\s]", ask("show-options", "-sv", "terminal-features") or "")
    )
    # Whether the outer terminal has RGB is its own affair: nothing is to be mended for certain.
    told = UNKNOWN if wanted == [""] else "yes" if "RGB" in wanted else "no; if it has them: " + LINES[3]
    yield "tmux RGB", told, None, ""


def _clipboard(ask: Ask, version: str | None) -> Iterator[Found]:
    clipboard = ask("show-options", "-sv", "set-clipboard")
    yield "tmux set-clipboard", clipboard or UNKNOWN, clipboard == "on" if clipboard else None, LINES[1]
    number = re.match(r"(?:next-)?(\d+)\.(\d+)", version or "")
    if clipboard is None or number is None:
        way = UNKNOWN
    elif clipboard == "off":
        way = "no: tmux keeps them (set-clipboard off); the file is always written"
    elif (int(number[1]), int(number[2])) < (3, 2):
        way = "no: load-buffer -w needs tmux 3.2; the file is always written"
    else:
        way = "tmux load-buffer -w hands them to your terminal; whether it takes them: cannot tell"
    yield "copies", way, None, ""


def _clients() -> Iterator[Found]:
    listed = ask("list-clients", "-F", "#{client_readonly} #{client_width}x#{client_height}")
    if listed is None:
        yield "tmux clients", UNKNOWN, None, ""
        return
    clients = [line.split() for line in listed.splitlines()]
    sizes = {size for readonly, size in clients if readonly == "0"}
    told = ", ".join(f"{size} {'read-only' if readonly == '1' else 'read-write'}" for readonly, size in clients)
    mend = "a second client changes the size: it should use tmux attach -r, or: " + LINES[4]
    yield "tmux clients", told or "none attached", len(sizes) <= 1 if clients else None, mend


def outside() -> Found:
    """Which way copies go without tmux."""
    return "copies", "OSC 52; whether your terminal takes it: cannot tell; the file is always written", None, ""


def ssh(environment: Mapping[str, str] = os.environ) -> Found:
    """Whether this is an SSH session. Addresses are not told."""
    return "ssh", "yes" if environment.get("SSH_CONNECTION") else "no", None, ""
