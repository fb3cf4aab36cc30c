"""A tmux server of our own: sessions of any size, keys in, the screen out, and clients that come and go."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

PATIENCE = 60.0  # seconds, for a machine that is slow; what is waited for comes in one or two


T = TypeVar("T")


def until(condition: Callable[[], T], what: str, seconds: float = PATIENCE) -> T:
    """Wait until CONDITION is true, and return what it said. Fails with WHAT was waited for."""
    end = time.monotonic() + seconds
    while not (got := condition()):
        assert time.monotonic() < end, f"waited {seconds:.0f} s for {what}"
        time.sleep(0.05)
    return got


class Tmux:
    """A tmux server on a socket in FOLDER, with no configuration but ours."""

    def __init__(self, folder: Path) -> None:
        self._socket = folder / "tmux"
        settings = folder / "tmux.conf"
        settings.write_text(
            "set -g remain-on-exit on\nset -g escape-time 50\nset -g default-terminal tmux-256color\n"
        )
        self._start = ("tmux", "-S", str(self._socket), "-f", str(settings))

    def run(self, *words: str) -> str:
        """Run a command of tmux; what it prints. Raises CalledProcessError when it fails."""
        return subprocess.run([*self._start, *words], capture_output=True, text=True, check=True).stdout

    def open(self, session: str, columns: int, rows: int, *command: str, folder: Path) -> None:
        """A session that runs COMMAND."""
        size = ("-x", str(columns), "-y", str(rows))
        self.run("new-session", "-d", "-s", session, *size, "-c", str(folder), *command)

    def again(self, session: str, *command: str) -> None:
        """Run COMMAND in the pane of a session whose program has ended."""
        self.run("respawn-pane", "-t", session, *command)

    def ended(self, session: str) -> bool:
        """Whether the program of the session has ended."""
        return self.run("display-message", "-p", "-t", session, "#{pane_dead}").strip() == "1"

    def pid(self, session: str) -> int:
        """The process of the session's pane."""
        return int(self.run("display-message", "-p", "-t", session, "#{pane_pid}"))

    def keys(self, session: str, *keys: str) -> None:
        """Press KEYS, by tmux's names for them."""
        self.run("send-keys", "-t", session, *keys)

    def type(self, session: str, text: str) -> None:
        """Type TEXT, to the letter."""
        self.run("send-keys", "-l", "-t", session, text)

    def screen(self, session: str) -> str:
        """What the session shows, as text."""
        return self.run("capture-pane", "-p", "-t", session)

    def resize(self, session: str, columns: int, rows: int) -> None:
        """Give the session's window another size."""
        self.run("resize-window", "-t", session, "-x", str(columns), "-y", str(rows))

    def attach(self, session: str, columns: int, rows: int, *options: str) -> Guest:
        """Attach a client on a terminal of its own."""
        return Guest([*self._start, "attach-session", *options, "-t", session], columns, rows)

    def end(self) -> None:
        """End the server and all that runs in it."""
        subprocess.run([*self._start, "kill-server"], capture_output=True, check=False)


class Guest:
    """A client of tmux on a pseudo-terminal, whose output is read and dropped: an SSH connection of somebody."""

    def __init__(self, command: list[str], columns: int, rows: int) -> None:
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        environment = {**os.environ, "TERM": "xterm-256color"}
        environment.pop("TMUX", None)
        self._process = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, start_new_session=True
        )
        os.close(theirs)
        self.bytes = 0
        self._reader = threading.Thread(target=self._drop, args=(ours,), daemon=True)
        self._reader.start()

    def _drop(self, fd: int) -> None:
        try:
            while data := os.read(fd, 65536):
                self.bytes += len(data)
        except OSError:
            pass
        finally:
            os.close(fd)

    def drop(self) -> None:
        """The connection is cut."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(timeout=10)
        self._reader.join(timeout=10)
