"""rollback.ready: each point of the way back, really tried, and nothing of the user's touched by it."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from git_world import World

from checks.rollback import Point, outcome_of_points, time_point
from state.verdicts import Outcome, Verdict
from transfer.backup import backup as make_backup

REST = {
    "backup": "backups",
    "previous_deploy": "last-deploy",
    "steps": {"stop": "2m", "revert": "3m"},
    "limit": "10m",
}
LIVE = {"last-deploy": Outcome.passed("dep-1 is live")}


@pytest.fixture
def world(look, tmp_path) -> World:
    world = World(look.project, tmp_path)
    world.commit("app.py", "print('postgresql')\n", "Use PostgreSQL")
    return world


@pytest.fixture
def backup(look, world) -> Outcome:
    """A real backup, and what the item that made it left."""
    with closing(sqlite3.connect(look.project / "app.db")) as con:
        con.executescript("CREATE TABLE users (id INTEGER PRIMARY KEY); INSERT INTO users VALUES (1);")
    (look.project / "backups").mkdir()
    made = make_backup(look.project / "app.db", look.project / "backups")
    return Outcome.passed("made", evidence={"path": str(made.path), "sha256": made.sha256})


async def test_every_point_holds_and_nothing_of_the_user_is_touched(look, world, backup):
    (world.here / "app.py").write_text("half-written\n")
    (world.here / "new.py").write_text("not known to git\n")
    world.git("add", "app.py")
    snapshot = world.snapshot()
    outcome = await look("rollback.ready", REST, evidence=LIVE)
    assert outcome.verdict is Verdict.PASS, outcome
    assert world.snapshot() == snapshot
    assert (world.here / "app.py").read_text() == "half-written\n"
    assert set(outcome.evidence) == {"backup", "revert", "previous deploy", "time"}
    assert "no conflict" in outcome.evidence["revert"]
    assert outcome.evidence["time"].startswith("pass: 5m of 10m")


async def test_with_a_remote_all_that_is_still_to_be_pushed_is_tried(look, world, backup):
    world.merge("pool", "pool.py", "size = 5\n")
    world.commit("app.py", "print('pooled')\n", "Pool it")
    outcome = await look("rollback.ready", {**REST, "remote": "render", "branch": "main"}, evidence=LIVE)
    assert outcome.verdict is Verdict.PASS, outcome
    assert outcome.evidence["revert"].startswith("pass: 3 commits")


async def test_a_revert_that_conflicts_fails_and_leaves_nothing(look, world, backup):
    first = world.head()
    world.commit("app.py", "print('mended')\n", "Mend it")
    snapshot = world.snapshot()
    outcome = await look("rollback.ready", {**REST, "commit": first}, evidence=LIVE)
    assert outcome.verdict is Verdict.FAIL
    assert "conflicts in app.py" in outcome.actual
    assert world.snapshot() == snapshot
    assert not list((world.here / ".git" / "worktrees").glob("*"))


async def test_a_backup_that_was_changed_fails(look, world, backup):
    path = look.project / "backups"
    (file,) = path.glob("*.db")
    file.chmod(0o600)
    with file.open("ab") as db:
        db.write(b"x")
    outcome = await look("rollback.ready", REST, evidence=LIVE)
    assert outcome.verdict is Verdict.FAIL
    assert "backup" in outcome.actual


async def test_a_backup_that_is_old_or_of_the_future_fails(look, world, backup):
    (manifest,) = (look.project / "backups").glob("*.json")
    said = json.loads(manifest.read_text())
    for age in (timedelta(hours=30), timedelta(hours=-2)):
        said["made_at"] = (datetime.now(UTC) - age).isoformat()
        manifest.write_text(json.dumps(said))
        outcome = await look("rollback.ready", REST, evidence=LIVE)
        assert outcome.verdict is Verdict.FAIL, outcome
    said["made_at"] = (datetime.now(UTC) - timedelta(hours=30)).isoformat()
    manifest.write_text(json.dumps(said))
    longer = await look("rollback.ready", {**REST, "newer_than": "2d"}, evidence=LIVE)
    assert longer.verdict is Verdict.PASS, longer


async def test_the_backup_of_an_item_must_be_the_one_that_it_made(look, world, backup):
    with_ = {**REST, "backup": "final-backup"}
    good = await look("rollback.ready", with_, evidence={**LIVE, "final-backup": backup})
    assert good.verdict is Verdict.PASS, good
    other = Outcome.passed("made", evidence={**backup.evidence, "sha256": "0" * 64})
    outcome = await look("rollback.ready", with_, evidence={**LIVE, "final-backup": other})
    assert outcome.verdict is Verdict.FAIL
    assert "not the one" in outcome.actual


@pytest.mark.parametrize(
    ("without", "says"),
    [
        ({"backup": ""}, "no backup is named"),
        ({"backup": "nowhere"}, "no backup 'nowhere'"),
        ({"previous_deploy": ""}, "no deploy to go back to"),
        ({"steps": {}}, "no steps given"),
        ({"commit": "no-such"}, "no commit 'no-such'"),
        ({"folder": "nowhere"}, "no folder"),
        ({"remote": "nobody", "branch": "main"}, "no remote"),
    ],
)
async def test_a_point_that_cannot_be_looked_at_leaves_the_whole_unknown(look, world, backup, without, says):
    outcome = await look("rollback.ready", {**REST, **without}, evidence=LIVE)
    assert outcome.verdict is Verdict.UNKNOWN, outcome
    assert says in outcome.actual
    assert outcome.hint
    assert len(outcome.evidence) == 4


async def test_a_backup_item_that_failed_and_a_missing_manifest_are_not_known(look, world, backup):
    failed = {**LIVE, "final-backup": Outcome.failed("no")}
    assert (
        await look("rollback.ready", {**REST, "backup": "final-backup"}, evidence=failed)
    ).verdict is Verdict.UNKNOWN
    (manifest,) = (look.project / "backups").glob("*.json")
    manifest.unlink()
    assert (await look("rollback.ready", REST, evidence=LIVE)).verdict is Verdict.UNKNOWN


async def test_without_git_or_at_the_edge_of_a_shallow_clone_the_revert_is_not_known(
    look, world, backup, tmp_path, monkeypatch
):
    world.git("push", "-q", "render", "main")
    shallow = look.project / "shallow"
    world.git("clone", "-q", "--depth", "1", world.there.as_uri(), str(shallow), cwd=tmp_path)
    cut = await look("rollback.ready", {**REST, "folder": "shallow"}, evidence=LIVE)
    assert cut.verdict is Verdict.UNKNOWN
    assert "unshallow" in cut.hint
    monkeypatch.setenv("PATH", str(tmp_path))
    blind = await look("rollback.ready", REST, evidence=LIVE)
    assert blind.verdict is Verdict.UNKNOWN
    assert "git is not installed" in blind.actual
    assert blind.evidence["backup"].startswith("pass")


async def test_on_no_branch_at_all_the_revert_is_tried_all_the_same(look, world, backup):
    world.git("switch", "-q", "--detach")
    snapshot = world.snapshot()
    assert (await look("rollback.ready", REST, evidence=LIVE)).verdict is Verdict.PASS
    assert world.snapshot() == snapshot


async def test_a_deploy_that_is_only_written_down_is_a_reservation(look, world, backup):
    outcome = await look("rollback.ready", {**REST, "previous_deploy": "dep-abc"}, evidence=LIVE)
    assert outcome.verdict is Verdict.WARN
    gone = {"last-deploy": Outcome.failed("dep-1 is not kept any more")}
    assert (await look("rollback.ready", REST, evidence=gone)).verdict is Verdict.FAIL
    blind = {"last-deploy": Outcome.error("no answer")}
    assert (await look("rollback.ready", REST, evidence=blind)).verdict is Verdict.UNKNOWN


def test_the_time_must_fit():
    assert time_point({"a": 60.0, "b": 120.0}, 180.0).verdict is Verdict.PASS
    assert time_point({"a": 60.0, "b": 120.1}, 180.0).verdict is Verdict.FAIL
    assert time_point({"a": 60.0}, None).verdict is Verdict.UNKNOWN


def test_without_any_point_or_with_a_blind_one_it_is_never_green():
    good, blind = Point("a", Verdict.PASS, "seen"), Point("b", Verdict.UNKNOWN, "not seen")
    assert outcome_of_points([good]).verdict is Verdict.PASS
    assert outcome_of_points([good, blind]).verdict is Verdict.UNKNOWN
    assert outcome_of_points([]).verdict is not Verdict.PASS
