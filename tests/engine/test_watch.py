"""A run that watches: its sources, its history beside the record, and the checks that look at both."""

from __future__ import annotations

import asyncio
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest

from metrics.history import History, Recording, history_path
from metrics.live import Live
from metrics.samples import Measurement, utc_now
from metrics.sources.host import HostSource
from tests.engine.conftest import Flying, until
from tminus.client import RunCheck
from tminus.engine.recalling import recall
from tminus.places import place_of

WATCHED = """
schema = 1
title = "Watched"

[targets]
database_url = "${env:A_SETTING_OF_THE_DAY}"

[metrics.host]
interval = "100ms"

[metrics.postgres]
url = "${database_url}"

[[gate]]
id = "memory"
text = "Memory"
metric = "host.memory"
when = "> 200%"
for = "1s"
interval = "100ms"
then = "hold"

[[phase]]
id = "one"
title = "First"
  [[phase.step]]
  title = "Step"
    [[phase.step.item]]
    id = "all"
    text = "Every source answers"
    check = "metrics.preflight"
    with = { patience = "200ms" }
    marks = "check"
    [[phase.step.item]]
    id = "host"
    text = "The host answers"
    check = "metrics.preflight"
    with = { sources = ["host"] }
    marks = "check"
    [[phase.step.item]]
    id = "within"
    text = "Memory is left"
    check = "metrics.within"
    with = { metrics = ["host.memory"], holds = "< 100%", over = "1s" }
    marks = "check"
"""


@pytest.fixture
def checklist(tmp_path: Path) -> Path:
    path = tmp_path / "checklist.toml"
    path.write_text(WATCHED)
    return path


async def test_checks_look_at_the_live_metrics_and_every_sample_is_kept(engine: Flying) -> None:
    async with engine.client() as client:
        for item, verdict in (("all", "fail"), ("host", "pass"), ("within", "pass")):
            await client.ask(RunCheck(item=item))
            view = await until(client, lambda view, item=item: view.items[item].attempts and view.items[item].verdict)
            assert view.items[item].verdict == verdict, view.items[item]
        assert "A_SETTING_OF_THE_DAY is not set" in view.items["all"].actual
        await until(client, lambda view: "memory" in view.gates and view.gates["memory"].state == "clear")
    engine.kill()
    with Recording(history_path(engine.record)) as recording:
        assert recording.metrics()["host.memory"].samples > 5
    engine.start()
    async with engine.client() as client:
        await until(client, lambda view: "memory" in view.gates and view.gates["memory"].state == "clear")
        assert client.view.items["within"].verdict == "pass"


def test_what_lies_beside_a_record_stays_out_of_git_unless_the_project_says_otherwise(engine: Flying) -> None:
    folder = engine.checklist.parent / "deployments"
    subprocess.run(["git", "init", "-q"], cwd=engine.checklist.parent, check=True)
    for name in ("r.toml", "r.toml.wal", "r.metrics.db", "r.metrics.db-wal"):
        (folder / name).touch()
    shown = subprocess.run(
        ["git", "status", "--porcelain", "-uall", "deployments"],
        cwd=engine.checklist.parent, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert "deployments/r.toml\n" in shown and ".wal" not in shown and ".db" not in shown
    (folder / ".gitignore").write_text("# ours\n")
    engine.kill()
    engine.start()
    assert (folder / ".gitignore").read_text() == "# ours\n"


async def test_a_run_goes_on_without_a_history_and_says_so(checklist: Path, engine: Flying) -> None:
    async with asyncio.timeout(10):
        while not list(checklist.parent.glob("deployments/*.toml")):
            await asyncio.sleep(0.02)
    engine.kill()
    path = history_path(engine.record)
    for tail in ("", "-wal", "-shm"):
        path.with_name(path.name + tail).unlink(missing_ok=True)
    path.mkdir()
    engine.start()
    async with engine.client() as client:
        view = await until(client, lambda view: bool(view.run.trouble))
        assert "metric history cannot be written" in view.run.trouble
        await client.ask(RunCheck(item="host"))
        await until(client, lambda view: view.items["host"].verdict == "pass")
    assert engine.place == place_of(checklist)


def test_after_a_restart_the_windows_go_on_where_they_were(tmp_path: Path) -> None:
    path, now = tmp_path / "r.metrics.db", utc_now()
    history = History(path)
    history.add(
        Measurement("host.cpu", 0.5, 1, "ratio", now - timedelta(seconds=second)) for second in range(300, 0, -5)
    )
    history.add([Measurement("gone.metric", 1.0, 1, "count", now)])
    history.close()
    live = Live([HostSource()])
    recall(path, live, now)
    seen = live.summary("host.cpu", 600)
    assert (seen.seen, seen.low, seen.high) == (60, 0.5, 0.5)
    assert 290 <= seen.covered <= 300
    recall(tmp_path / "nowhere.db", live, now)
    assert live.summary("host.cpu", 600).seen == 60
