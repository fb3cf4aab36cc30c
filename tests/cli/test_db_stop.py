"""`tminus db` stopped by a signal, and what it shows while it is at work."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psutil
import psycopg2
import pytest

from tminus.cli.db.progress import Shown, told
from transfer.backup import backup as make_backup
from transfer.progress import Progress

STOPPING = "the target stays as it was"


@contextmanager
def started(*argv: str) -> Iterator[subprocess.Popen[str]]:
    """A program in a process group of its own, as a terminal starts it; ended with the block."""
    with subprocess.Popen(
        [sys.executable, *argv], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, process_group=0
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def until(true) -> None:  # type: ignore[no-untyped-def]
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_ctrl_c_in_the_middle_of_a_copy_leaves_the_target_as_it_was(live: Path, target: str, run) -> None:
    backup = make_backup(live, live.parent / "backups").path
    with closing(psycopg2.connect(target)) as holder, holder.cursor() as cur:
        cur.execute("LOCK TABLE ballots IN ACCESS SHARE MODE")  # the copy waits for it

        def waits() -> bool:
            cur.execute("SELECT count(*) FROM pg_locks WHERE relation = 'ballots'::regclass AND NOT granted")
            return cur.fetchone() != (0,)

        argv = ["-m", "tminus", "db", "copy", "--sqlite", str(backup), "--postgres-env", "TARGET_URL", "--json"]
        with started(*argv) as copying:
            until(waits)
            os.killpg(copying.pid, signal.SIGINT)
            out, err = copying.communicate(timeout=20)
    assert copying.returncode == 130, err
    assert STOPPING in err
    assert "Traceback" not in err
    document = json.loads(out)
    assert (document["exit"], document["error"]["kind"]) == (130, "stopped")
    assert run(target, "SELECT count(*) FROM authors") == [(0,)]


# Work that has a child and hears of no cancellation, as a driver that hangs in C.
DEAF = f"""
import subprocess, sys, time
from tminus.cli.db.work import carry_out
def work(on):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    print(child.pid, flush=True)
    while True:
        time.sleep(600)
carry_out("copy", work, as_json=False, stopping={STOPPING!r})
"""


def test_the_first_ctrl_c_spares_the_children_and_the_second_ends_everything_at_once() -> None:
    with started("-c", DEAF) as deaf:
        assert deaf.stdout is not None
        assert deaf.stderr is not None
        child = psutil.Process(int(deaf.stdout.readline()))
        os.killpg(deaf.pid, signal.SIGINT)
        while STOPPING not in deaf.stderr.readline():
            assert deaf.poll() is None
        assert child.is_running()
        assert child.status() != psutil.STATUS_ZOMBIE
        assert deaf.poll() is None
        os.killpg(deaf.pid, signal.SIGINT)
        assert deaf.wait(timeout=10) == 130
        until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)


def test_a_crash_is_no_success_and_tells_no_secret() -> None:
    code = """
from tminus.cli.db.work import carry_out
def work(on):
    raise RuntimeError("at postgresql://app:canary-pass@db/app")
carry_out("copy", work, as_json=True, secrets=["postgresql://app:canary-pass@db/app"], stopping="")
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 3
    assert json.loads(ended.stdout)["error"]["kind"] == "crashed"
    assert "RuntimeError" in ended.stderr
    assert "canary" not in ended.stdout + ended.stderr


def test_a_json_document_holds_any_text_and_masks_a_secret_in_values_alone() -> None:
    code = r"""
from dataclasses import dataclass
from pathlib import Path
from tminus.cli.db.work import Answer, carry_out
@dataclass
class Result:
    postgres: str
    path: Path
def work(on):
    return Answer(0, [], Result("half \udc80 \x9b31m, postgres", Path("a/b")))
carry_out("copy", work, as_json=True, secrets=["postgresql://app:postgres@db/app"], stopping="")
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60, check=True)
    assert ended.stdout.isascii()
    assert json.loads(ended.stdout)["result"] == {"postgres": "half \udc80 \x9b31m, •••", "path": "a/b"}


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def rows(done: int, table: str = "votes", total: int = 1000) -> Progress:
    return Progress("copy", table, done, total, "rows")


@pytest.mark.parametrize(
    ("step", "before", "seconds", "line"),
    [
        (rows(500), 0, 5.0, "copy votes  500 of 1,000 rows 50%  100 rows/s  5s left"),
        (rows(500), 400, 1.0, "copy votes  500 of 1,000 rows 50%  100 rows/s  5s left"),
        (rows(500), 0, 0.01, "copy votes  500 of 1,000 rows 50%"),
        (rows(1000), 0, 5.0, "copy votes  1,000 of 1,000 rows 100%  200 rows/s"),
        (rows(1200), 0, 2.0, "copy votes  1,200 of 1,000 rows 100%  600 rows/s"),
        (rows(7, total=0), 0, 0.0, "copy votes  7 rows"),
        (Progress("check", None, 0, 0, "pages"), 0, 9.0, "check"),
        (rows(1, "a\x1b[2Jb", 2), 0, 0.0, "copy ab  1 of 2 rows 50%"),
    ],
)
def test_progress_in_a_line(step, before, seconds, line) -> None:
    assert told(step, before, seconds) == line


def test_on_a_terminal_one_line_is_rewritten_and_taken_away_at_the_end() -> None:
    out, clock = io.StringIO(), Clock()
    shown = Shown(out, terminal=True, clock=clock)
    shown(rows(0))
    clock.now += 2
    shown(rows(500))
    clock.now += 0.01
    shown(rows(501))  # too soon to draw again
    assert out.getvalue().split("\r")[1:] == [
        "copy votes  0 of 1,000 rows 0%\x1b[K",
        "copy votes  500 of 1,000 rows 50%  250 rows/s  2s left\x1b[K",
    ]
    assert "\n" not in out.getvalue()
    shown.wipe()
    assert out.getvalue().endswith("\r\x1b[K")


def test_without_a_terminal_a_line_comes_every_few_seconds_and_none_is_rewritten() -> None:
    out, clock = io.StringIO(), Clock()
    shown = Shown(out, terminal=False, clock=clock)
    for second in range(21):
        clock.now = 100.0 + second
        shown(rows(second * 10))
    shown.wipe()
    assert "\r" not in out.getvalue()
    assert [line.split("  ")[1].split()[0] for line in out.getvalue().splitlines()] == ["50", "100", "150", "200"]


@pytest.mark.parametrize("terminal", [True, False])
def test_a_terminal_that_went_away_does_not_end_the_work(terminal) -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    clock = Clock()
    shown = Shown(Gone(), terminal=terminal, clock=clock)
    clock.now += 60
    shown(rows(1))
    shown.wipe()
    with pytest.raises(BrokenPipeError):
        Gone().write("x")


def test_the_rate_begins_anew_with_each_table() -> None:
    out, clock = io.StringIO(), Clock()
    shown = Shown(out, terminal=True, clock=clock)
    shown(rows(0, "users"))
    clock.now += 100
    shown(rows(0, "votes"))
    clock.now += 2
    shown(rows(400, "votes"))
    assert "200 rows/s" in out.getvalue()
