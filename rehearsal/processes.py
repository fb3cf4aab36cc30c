"""Processes that end with the one that started them, and that a later run can recognise and end.

Two nets, because either may tear:
- the kernel sends a child a signal when the thread that started it ends (prctl PR_SET_PDEATHSIG), so a
  kill -9 of the parent leaves nothing running. It is asked for in the main thread alone: any other thread
  may end before the process does, and would take the child with it;
- a run file names pid, start time and boot of each child. `sweep` ends what is still running by it. A pid
  that was given to another process since has another start time and is left alone.
"""

import ctypes
import json
import os
import secrets
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

PR_SET_PDEATHSIG = 1
MARK = "REHEARSAL_RUN"  # in the environment of a child and of its children
_prctl = ctypes.CDLL(None, use_errno=True).prctl
# Children of this process by their token: kept so that they are reaped, and not collected while they run.
_children: dict[str, subprocess.Popen[bytes]] = {}


@dataclass(frozen=True)
class Running:
    """A process we started. STARTED is in clock ticks since boot (field 22 of /proc/PID/stat)."""

    name: str
    pid: int
    started: int
    boot: str
    token: str


@dataclass(frozen=True)
class As:
    """The user a child runs as, when it is not ours."""

    uid: int
    gid: int


def boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def start_time(pid: int) -> int | None:
    """When PID started, in clock ticks since boot; None if there is no such process, or only its ghost."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name stands in parentheses and may hold anything: count from the last one.
    fields = stat[stat.rindex(")") + 2 :].split()
    return None if fields[0] in ("Z", "X") else int(fields[19])


def alive(process: Running) -> bool:
    """Whether this very process still runs: same boot, same pid, same start."""
    child = _children.get(process.token)
    if child is not None:
        child.poll()
    return process.boot == boot_id() and start_time(process.pid) == process.started


def spawn(
    name: str,
    argv: Sequence[str],
    *,
    log: Path,
    env: Mapping[str, str],
    cwd: Path | None = None,
    user: As | None = None,
    death_signal: signal.Signals = signal.SIGTERM,
    stdin: int = subprocess.DEVNULL,
    die_with_parent: bool = True,
    run_file: Path | None = None,
) -> Running:
    """Start ARGV in a process group of its own, its output appended to LOG, and note it in RUN_FILE.

    Raises OSError when it cannot be started.
    """
    token = secrets.token_hex(8)
    tie = die_with_parent and threading.current_thread() is threading.main_thread()
    with log.open("ab") as output:
        child = subprocess.Popen(
            list(argv),
            stdin=stdin,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=cwd,
            env={**env, MARK: token},
            start_new_session=True,
            user=None if user is None else user.uid,
            group=None if user is None else user.gid,
            extra_groups=None if user is None else [],
            # One system call between fork and exec; Python runs it after it has changed the user, which
            # would otherwise clear the setting.
            preexec_fn=_tie(death_signal) if tie else None,  # noqa: PLW1509
        )
    _children[token] = child
    process = Running(name, child.pid, start_time(child.pid) or 0, boot_id(), token)
    if run_file is not None:
        write_private(run_file, json.dumps(asdict(process)))
    return process


def _tie(death_signal: signal.Signals) -> Callable[[], None]:
    parent = os.getpid()

    def tie() -> None:
        _prctl(PR_SET_PDEATHSIG, int(death_signal))
        if os.getppid() != parent:  # it was gone before we asked
            os._exit(1)

    return tie


def exit_code(process: Running) -> int | None:
    """With what a child of this process ended; None while it runs. Negative: the signal that ended it."""
    child = _children.get(process.token)
    return None if child is None else child.poll()


def end(process: Running, *, first: signal.Signals = signal.SIGTERM, patience: float = 10.0) -> bool:
    """End PROCESS and its group: FIRST to the process, SIGKILL to the group after PATIENCE seconds.
    Whether it went by itself. Does nothing when it is gone already."""
    went = True
    if alive(process):
        os.kill(process.pid, first)
        went = wait_until(lambda: not alive(process), patience)
        if not went:
            os.killpg(process.pid, signal.SIGKILL)
            wait_until(lambda: not alive(process), 5.0)
    _end_orphans(process)
    child = _children.pop(process.token, None)
    if child is not None:
        child.wait()
    return went


def _end_orphans(process: Running) -> None:
    """End what is left of the group of a process that is gone: same group, our mark in its environment."""
    if process.boot != boot_id():
        return
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        pid = int(entry.name)
        try:
            ours = os.getpgid(pid) == process.pid and start_time(pid) is not None
            if ours and f"{MARK}={process.token}".encode() in (entry / "environ").read_bytes().split(b"\0"):
                os.kill(pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError, FileNotFoundError):
            continue


def read_run_file(path: Path) -> Running | None:
    """The process noted in PATH; None if there is none, or the file was cut short."""
    try:
        return Running(**json.loads(path.read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def sweep(path: Path, *, first: signal.Signals = signal.SIGTERM) -> bool:
    """End the process noted in PATH, if it still runs, and remove the note. Whether it was running."""
    process = read_run_file(path)
    running = process is not None and alive(process)
    if process is not None:
        end(process, first=first)
    path.unlink(missing_ok=True)
    return running


def write_private(path: Path, text: str) -> None:
    """Replace PATH by TEXT at once, readable by nobody else."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.unlink(missing_ok=True)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    unfinished.replace(path)


def wait_until(true: Callable[[], bool], seconds: float, every: float = 0.02) -> bool:
    """Whether TRUE() became so within SECONDS."""
    end_at = time.monotonic() + seconds
    while not true():
        if time.monotonic() >= end_at:
            return False
        time.sleep(every)
    return True
