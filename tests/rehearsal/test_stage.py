"""A whole stage: it comes up, takes orders, and ends with everything it started."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import psycopg2
import pytest

from rehearsal.__main__ import main
from rehearsal.control import Layout
from rehearsal.ledger import read_ledger
from rehearsal.processes import Running, alive, read_run_file, start_time, wait_until
from rehearsal.seed import PASSWORD, migrate, username
from rehearsal.stage import Stage, StageError, end_stage, load_stage, set_stage
from tests.rehearsal.browser import Browser
from tests.rehearsal.conftest import control

pytestmark = pytest.mark.long  # a flight sets a stage too; here it is taken apart

NAMES = ("supervisor", "visitors", "app", "postgres")


def processes(folder: Path) -> list[Running]:
    found = [read_run_file(Layout(folder).run_file(name)) for name in NAMES]
    return [process for process in found if process is not None]


def health(stage: Stage) -> dict[str, object]:
    said: dict[str, object] = httpx.get(f"{stage.base_url}/healthz", trust_env=False).json()
    return said


def visitors(stage: Stage) -> dict[str, int]:
    said: dict[str, int] = json.loads(stage.visitors_status.read_text())
    return said


def test_it_serves_its_first_commit_on_sqlite(running_stage: Stage) -> None:
    argv = ["git", "-C", str(running_stage.app_dir), "rev-parse", "HEAD~1", "render/main"]
    head, pushed = subprocess.check_output(argv, text=True).split()
    assert head == pushed
    said = health(running_stage)
    assert (said["status"], said["database"], said["commit"]) == ("ok", "sqlite", head)
    assert running_stage.sqlite.exists()
    connection = psycopg2.connect(running_stage.database_url)
    connection.close()


def test_its_file_is_private_and_loads_as_it_was(running_stage: Stage) -> None:
    path = running_stage.folder / "stage.json"
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_stage(running_stage.folder) == running_stage


def test_no_password_stands_in_the_arguments_of_a_process(running_stage: Stage) -> None:
    password = running_stage.database_url.split(":")[2].split("@")[0]
    for process in processes(running_stage.folder):
        arguments = Path(f"/proc/{process.pid}/cmdline").read_bytes()
        assert arguments
        assert password.encode() not in arguments


def test_a_stage_that_is_up_is_not_set_again(running_stage: Stage) -> None:
    with pytest.raises(StageError, match="is up already"):
        set_stage(running_stage.folder)


def test_visitors_write_a_ledger_that_holds(running_stage: Stage) -> None:
    kinds = {"user", "session", "post", "reply", "vote", "mod_list"}
    assert wait_until(lambda: kinds <= {e.kind for e in read_ledger(running_stage.ledger)}, 25, every=0.2)
    done = control(running_stage.folder, "ledger", "verify")
    assert done.returncode == 0, done.stdout
    assert " 0 missing in sqlite" in done.stdout


def test_maintenance_drains_and_visitors_count_what_is_refused(running_stage: Stage) -> None:
    done = control(running_stage.folder, "maintenance", "on")
    assert (done.returncode, done.stdout) == (0, "the site is read-only, no write is on its way\n")
    before = visitors(running_stage)["refused"]
    acknowledged = list(read_ledger(running_stage.ledger))
    assert wait_until(lambda: visitors(running_stage)["refused"] > before + 3, 15, every=0.1)
    # Answers of before may have been on their way to the ledger; logouts are noted when they are asked for.
    late = [e for e in list(read_ledger(running_stage.ledger))[len(acknowledged) :] if e.kind != "logout"]
    assert len(late) <= 2
    assert control(running_stage.folder, "maintenance", "off").returncode == 0
    assert health(running_stage)["maintenance"] is False


def test_a_session_survives_a_restart_and_the_address_stays(running_stage: Stage) -> None:
    browser = Browser(running_stage.base_url)
    assert browser.login(username(3), PASSWORD).status_code == 303
    before = health(running_stage)["instance"]
    done = control(running_stage.folder, "restart")
    assert done.returncode == 0, done.stderr
    assert health(running_stage)["instance"] != before
    assert "Log out" in browser.get("/").text


def test_switch_goes_there_and_back_and_the_ledger_tells_them_apart(running_stage: Stage) -> None:
    folder = running_stage.folder
    assert wait_until(lambda: visitors(running_stage)["acknowledged"] > 0, 20)
    there = control(folder, "switch", "postgresql")
    assert there.returncode == 0, there.stderr
    assert "sqlite -> postgresql" in there.stdout
    assert "is not well" in there.stdout, "there are no tables yet"
    assert health(running_stage)["database"] == "postgresql"
    assert httpx.get(f"{running_stage.base_url}/healthz", trust_env=False).status_code == 503
    migrate(running_stage.app_dir, database_url=running_stage.database_url)
    assert wait_until(lambda: health(running_stage)["status"] == "ok", 10)
    lost = control(folder, "ledger", "verify")
    assert lost.returncode == 1
    assert "missing: " in lost.stdout
    back = control(folder, "switch", "sqlite")
    assert back.returncode == 0, back.stderr
    assert health(running_stage)["database"] == "sqlite"


def test_switching_to_a_database_that_is_down_changes_nothing(running_stage: Stage) -> None:
    assert control(running_stage.folder, "postgres", "off").returncode == 0
    before = health(running_stage)["instance"]
    done = control(running_stage.folder, "switch", "postgresql")
    assert done.returncode == 1
    assert "nothing was changed" in done.stderr
    assert health(running_stage)["instance"] == before
    assert control(running_stage.folder, "postgres", "on").returncode == 0
    psycopg2.connect(running_stage.database_url).close()


def test_an_app_that_is_killed_comes_back(running_stage: Stage) -> None:
    before = health(running_stage)["instance"]
    app = read_run_file(Layout(running_stage.folder).run_file("app"))
    assert app is not None
    os.kill(app.pid, signal.SIGKILL)

    def back() -> bool:
        try:
            return health(running_stage)["instance"] != before
        except (httpx.HTTPError, ValueError):  # the edge answers 502 in plain text
            return False

    assert wait_until(back, 20, every=0.1)
    assert control(running_stage.folder, "status").returncode == 0


@pytest.mark.parametrize("victim", ["supervisor", "tool"])
def test_kill_9_leaves_no_process_behind(tmp_path: Path, victim: str) -> None:
    folder = tmp_path / "stage"
    argv = [sys.executable, "-m", "rehearsal", "up", "--stage", str(folder), "--users", "10", "--rate", "20"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as tool:
        try:
            assert tool.stdout is not None
            assert "is up" in tool.stdout.readline()
            started = processes(folder)
            assert [p.name for p in started] == list(NAMES)
            groups = {p.pid for p in started}
            os.kill(started[0].pid if victim == "supervisor" else tool.pid, signal.SIGKILL)
            assert wait_until(lambda: not any(map(alive, started)), 20)
            assert wait_until(lambda: not members(groups), 10)
        finally:
            tool.kill()
    end_stage(folder, remove=True)
    assert not folder.exists()


def members(groups: set[int]) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if os.getpgid(int(entry.name)) in groups and start_time(int(entry.name)) is not None:
                    found.append(int(entry.name))
            except ProcessLookupError:
                continue
    return found


def test_orders_without_a_stage_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["status"], ["restart"], ["switch", "sqlite"], ["maintenance", "on"], ["ledger", "verify"]):
        assert main([*words, "--stage", str(tmp_path)]) == 1
        assert "no stage" in capsys.readouterr().err
    assert main(["down", "--stage", str(tmp_path)]) == 0
    assert list(tmp_path.iterdir()) == []
