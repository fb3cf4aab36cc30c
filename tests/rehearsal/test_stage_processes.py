"""What was started is ended, what was not is left alone."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from rehearsal.processes import Running, alive, end, read_run_file, spawn, start_time, sweep, wait_until

FOREVER = [sys.executable, "-c", "import time; time.sleep(300)"]


def start(tmp_path: Path, argv: list[str] = FOREVER) -> tuple[Running, Path]:
    note = tmp_path / "note.json"
    return spawn("test", argv, log=tmp_path / "log", env=os.environ, run_file=note), note


def test_sweep_ends_the_process_in_the_note(tmp_path: Path) -> None:
    process, note = start(tmp_path)
    assert note.stat().st_mode & 0o777 == 0o600
    assert read_run_file(note) == process
    assert sweep(note)
    assert not alive(process)
    assert not note.exists()


def test_a_pid_that_belongs_to_another_process_now_is_left_alone(tmp_path: Path) -> None:
    process, note = start(tmp_path)
    for wrong in (
        dataclasses.replace(process, started=process.started - 1, token="0"),
        dataclasses.replace(process, boot="another boot", token="0"),
    ):
        note.write_text(json.dumps(dataclasses.asdict(wrong)))
        assert not sweep(note)
        assert start_time(process.pid) == process.started
    end(process)


def test_a_note_that_was_cut_short_is_no_note(tmp_path: Path) -> None:
    note = tmp_path / "note.json"
    note.write_text('{"name": "te')
    assert read_run_file(note) is None
    assert not sweep(note)


def test_a_process_that_will_not_go_is_killed(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    stubborn = (
        "import signal, time, pathlib; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        f"pathlib.Path({str(ready)!r}).touch(); time.sleep(300)"
    )
    process, _ = start(tmp_path, [sys.executable, "-c", stubborn])
    assert wait_until(ready.exists, 10)
    assert not end(process, patience=0.2)
    assert not alive(process)


def test_what_a_dead_leader_left_in_its_group_is_ended(tmp_path: Path) -> None:
    child = tmp_path / "child"
    script = (
        f"import subprocess, time; p = subprocess.Popen({FOREVER!r});"
        f"open({str(child)!r}, 'w').write(f'{{p.pid}}.'); time.sleep(300)"
    )
    process, _ = start(tmp_path, [sys.executable, "-c", script])
    assert wait_until(lambda: child.exists() and child.read_text().endswith("."), 10)
    orphan = int(child.read_text().rstrip("."))
    os.kill(process.pid, signal.SIGKILL)
    assert wait_until(lambda: not alive(process), 5)
    assert start_time(orphan) is not None
    end(process)
    assert wait_until(lambda: start_time(orphan) is None, 5)


def test_a_child_ends_with_its_parent_even_by_kill_9(tmp_path: Path) -> None:
    note = tmp_path / "note.json"
    script = (
        "import os, sys, time; from pathlib import Path; from rehearsal.processes import spawn;"
        f"spawn('t', {FOREVER!r}, log=Path({str(tmp_path / 'log')!r}), env=os.environ,"
        f"run_file=Path({str(note)!r})); time.sleep(300)"
    )
    parent = subprocess.Popen([sys.executable, "-c", script])
    assert wait_until(note.exists, 15)
    child = read_run_file(note)
    assert child is not None and alive(child)
    parent.kill()
    parent.wait()
    assert wait_until(lambda: not alive(child), 5)
