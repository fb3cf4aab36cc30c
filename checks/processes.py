"""Programs of others, run so that nothing of them outlives its deadline: no grandchild, no open terminal."""

from __future__ import annotations

import atexit
import contextlib
import os
import shlex
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Literal

import psutil

from checks.warden import guard, release

GRACE = 2.0  # seconds between TERM and KILL
KEPT = 256 * 1024  # bytes kept of each end of an output
_LINE = 64 * 1024
_TICK = 0.05

_living: set[int] = set()


@dataclass(frozen=True, slots=True)
class Completed:
    """A program that came to its end by itself. `exit_code` is negative when a signal ended it."""

    exit_code: int
    stdout: str
    stderr: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Ended:
    """How a supervised program ended: by itself, at its deadline, or because it was stopped."""

    exit_code: int
    seconds: float
    why: Literal["exited", "deadline", "stopped"]


@dataclass(slots=True)
class Kept:
    """The beginning and the end of an output, at most KEPT bytes each, saying what is missing between them."""

    head: list[bytes] = field(default_factory=list)
    tail: deque[bytes] = field(default_factory=deque)
    head_bytes: int = 0
    tail_bytes: int = 0
    dropped: int = 0

    def add(self, line: bytes) -> None:
        """One more piece of the output."""
        if self.head_bytes < KEPT:
            self.head.append(line)
            self.head_bytes += len(line)
            return
        self.tail.append(line)
        self.tail_bytes += len(line)
        while self.tail_bytes > KEPT:
            gone = self.tail.popleft()
            self.tail_bytes -= len(gone)
            self.dropped += len(gone)

    def text(self) -> str:
        """What was kept."""
        gap = [f"\n… {self.dropped} bytes not kept …\n".encode()] if self.dropped else []
        return b"".join([*self.head, *gap, *self.tail]).decode(errors="replace")


def shown_argv(argv: Sequence[str] | str) -> str:
    """A command as one would type it."""
    return argv if isinstance(argv, str) else shlex.join(argv)


def supervise(
    argv: Sequence[str] | str,
    *,
    on_stdout: Callable[[bytes], None],
    on_stderr: Callable[[bytes], None],
    stop: threading.Event,
    deadline: float | None = None,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    shell: bool = False,
    opening: bytes | None = None,
    farewell: bytes = b"",
    patience: float = 0.0,
) -> Ended:
    """Run ARGV in a session of its own until it ends, DEADLINE (monotonic seconds) passes or STOP is set.

    Then all that is left of it ends: TERM to its whole group and its descendants, KILL after GRACE seconds. Its group
    ends as well when this process is killed (`checks.warden`).
    With OPENING, standard input is a pipe that starts with it and stays open; on a stop FAREWELL is written there
    and the program has PATIENCE seconds to end by itself. Without, standard input is empty.
    ENV is added to this process's environment. Raises OSError when it cannot be started.
    """
    if isinstance(argv, str) != shell:
        raise ValueError("a list of arguments, or one text with shell=True")
    started = time.monotonic()
    process = subprocess.Popen(
        argv,
        shell=shell,
        cwd=cwd,
        env={**os.environ, **env} if env else None,
        stdin=subprocess.DEVNULL if opening is None else subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    _living.add(process.pid)
    guard(process.pid)
    readers = [
        threading.Thread(target=_read, args=(stream, sink), daemon=True, name=f"output-{process.pid}")
        for stream, sink in ((process.stdout, on_stdout), (process.stderr, on_stderr))
    ]
    why: Literal["exited", "deadline", "stopped"] = "exited"
    try:
        for reader in readers:
            reader.start()
        if opening is not None:
            _write(process, opening)
        while process.poll() is None:
            if deadline is not None and time.monotonic() >= deadline:
                why = "deadline"
            elif stop.is_set():
                why = "stopped"
            if why != "exited":
                if farewell:
                    _write(process, farewell)
                    _wait(process, patience)
                break
            _wait(process, _TICK)
    finally:
        _end(process)
        _living.discard(process.pid)
        release(process.pid)
        # A descendant that left the group may hold the pipe open for ever: what it says is not waited for.
        for reader in readers:
            reader.join(timeout=1.0)
        if process.stdin is not None:
            with contextlib.suppress(OSError):
                process.stdin.close()
    return Ended(process.returncode, time.monotonic() - started, why)


def _write(process: subprocess.Popen[bytes], data: bytes) -> None:
    assert process.stdin is not None
    with contextlib.suppress(OSError):  # it ended already: its exit code tells
        process.stdin.write(data)
        process.stdin.flush()


def _read(stream: IO[bytes] | None, sink: Callable[[bytes], None]) -> None:
    assert stream is not None
    with contextlib.suppress(OSError, ValueError), stream:
        while line := stream.readline(_LINE):
            sink(line)


def _wait(process: subprocess.Popen[bytes], seconds: float) -> None:
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(seconds)


def _end(process: subprocess.Popen[bytes]) -> None:
    descendants: list[psutil.Process] = []
    if process.poll() is None:
        with contextlib.suppress(psutil.Error):
            descendants = psutil.Process(process.pid).children(recursive=True)
    _signal(process.pid, descendants, signal.SIGTERM)
    until = time.monotonic() + GRACE
    while _left(process, descendants):
        if time.monotonic() >= until:
            _signal(process.pid, descendants, signal.SIGKILL)
            _wait(process, GRACE)
            return
        time.sleep(0.02)


def _left(process: subprocess.Popen[bytes], descendants: list[psutil.Process]) -> bool:
    if process.poll() is None or any(_alive(one) for one in descendants):
        return True
    try:
        os.killpg(process.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    # What is left may be nothing but zombies that nobody reaps (a container without an init).
    return any(_alive(one) for one in psutil.process_iter() if _group(one.pid) == process.pid)


def _group(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except OSError:
        return -1


def _alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _signal(group: int, descendants: list[psutil.Process], number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
    for one in descendants:
        with contextlib.suppress(psutil.Error):
            one.send_signal(number)


@atexit.register
def end_all() -> None:
    """KILL whatever is still running: nothing that was started here outlives this process's orderly end."""
    for group in tuple(_living):
        try:
            descendants = psutil.Process(group).children(recursive=True)
        except psutil.Error:
            descendants = []
        _signal(group, descendants, signal.SIGKILL)
