"""Programs end with the process that started them, also when that one is killed with -9.

A shell waits at the end of a pipe and is told which process groups live. The pipe ends with the process that holds
its other end, however that one ends; then the shell ends the groups that are left: TERM, and KILL two seconds later.
(PR_SET_PDEATHSIG would reach the first process of a group alone, and not the programs that it has started.)
"""

from __future__ import annotations

import contextlib
import subprocess
import threading

_SCRIPT = """
trap '' HUP INT TERM
living=' '
while read -r sign group; do
  case $sign in
    +) living="$living$group " ;;
    -) living="${living%% $group *} ${living#* $group }" ;;
  esac
done
for sign in TERM KILL; do
  left=
  for group in $living; do kill -s $sign -- "-$group" && left=yes; done
  if [ "$sign$left" = TERMyes ]; then sleep 2; fi
done
"""

_lock = threading.Lock()
_living: set[int] = set()
_warden: subprocess.Popen[bytes] | None = None


def guard(group: int) -> None:
    """End the process GROUP when this process ends without `release`. Without a shell it is not guarded."""
    with _lock:
        _living.add(group)
        if not _tell(b"+ %d\n" % group):
            _begin()


def release(group: int) -> None:
    """The process GROUP has ended."""
    with _lock:
        _living.discard(group)
        if not _tell(b"- %d\n" % group) and _living:
            _begin()


def _tell(line: bytes) -> bool:
    """Whether a warden took LINE."""
    if _warden is None or _warden.stdin is None:
        return False
    try:
        _warden.stdin.write(line)
    except OSError:  # somebody ended it
        return False
    return True


def _begin() -> None:
    """A warden that knows all that lives. A session of its own: what ends our group does not end it."""
    global _warden  # noqa: PLW0603
    if _warden is not None:
        with contextlib.suppress(OSError):
            _warden.kill()
            _warden.wait()
    try:
        _warden = subprocess.Popen(
            ["/bin/sh", "-c", _SCRIPT],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            cwd="/",
            env={"PATH": "/usr/bin:/bin"},
            start_new_session=True,
        )
    except OSError:
        _warden = None
        return
    for group in _living:
        _tell(b"+ %d\n" % group)
