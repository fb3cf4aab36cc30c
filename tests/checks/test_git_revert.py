"""git.revert on real repositories: a whole deploy is undone by new commits, or nothing is touched."""

from __future__ import annotations

from pathlib import Path

import pytest
from git_world import World
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from checks.contract import Context, Stopped
from checks.git_program import open_repository
from checks.git_undo import deploy_between, throw_away, undo
from state.verdicts import Outcome, Verdict

TO = {"remote": "render", "branch": "main"}
DEPLOY = {**TO, "commit": "push"}


@pytest.fixture
def world(look, tmp_path) -> World:
    return World(look.project, tmp_path)


async def pushed(look) -> dict[str, Outcome]:
    """The evidence of an item `push`."""
    outcome = await look("git.push", TO)
    assert outcome.verdict is Verdict.PASS, outcome
    return {"push": outcome}


def nothing_left(world: World) -> None:
    assert len(world.git("worktree", "list").splitlines()) == 1
    assert not list((world.here / ".git" / "worktrees").glob("*"))


async def test_all_commits_of_the_push_are_undone_and_the_remote_has_the_files_of_before(look, world):
    before = world.head()
    world.commit("app.py", "print('postgresql')\n", "Use PostgreSQL")
    world.merge("pool", "pool.py", "size = 5\n")
    world.commit("app.py", "print('postgresql, pooled')\n", "Pool it")
    evidence = await pushed(look)
    plan = await look.plan("git.revert", DEPLOY, evidence=evidence)
    text = "\n".join(plan.lines)
    assert (plan.danger, plan.target) == ("one-way", "render/main")
    assert "3 commits to revert" in text
    assert "git revert --no-edit -m 1 " in text
    outcome = await look("git.revert", DEPLOY, evidence=evidence)
    assert outcome.verdict is Verdict.PASS, outcome
    assert world.at_remote() == world.head() == outcome.evidence["sha"]
    assert world.git("diff", "--stat", before, "HEAD") == ""
    assert outcome.evidence["files"] == "as before the deploy"
    assert (world.here / "app.py").read_text() == "print('sqlite')\n"
    assert "This reverts commit" in world.git("log", "-1", "--format=%B")
    nothing_left(world)


async def test_a_second_run_finds_it_undone_and_changes_nothing(look, world):
    world.commit("app.py", "print('postgresql')\n", "Use PostgreSQL")
    evidence = await pushed(look)
    first = await look("git.revert", DEPLOY, evidence=evidence)
    again = await look("git.revert", DEPLOY, evidence=evidence)
    assert again.verdict is Verdict.PASS
    assert "already" in again.actual
    assert world.at_remote() == first.evidence["sha"]
    # Brought back by a revert of the revert, it is there to be undone once more.
    world.git("revert", "--no-edit", "HEAD")
    world.git("push", "-q", "render", "main")
    third = await look("git.revert", DEPLOY, evidence=evidence)
    assert third.verdict is Verdict.PASS
    assert third.evidence["commits"] == 1
    assert (world.here / "app.py").read_text() == "print('sqlite')\n"


async def test_one_commit_alone_leaves_the_others(look, world):
    first = world.commit("a.py", "a = 1\n", "One")
    world.commit("b.py", "b = 1\n", "Two")
    await pushed(look)
    outcome = await look("git.revert", {**TO, "commit": first})
    assert outcome.verdict is Verdict.PASS
    assert not (world.here / "a.py").exists()
    assert (world.here / "b.py").exists()
    head = await look("git.revert", {**TO, "commit": "HEAD~1"})
    assert head.verdict is Verdict.PASS
    assert not (world.here / "b.py").exists()


async def test_a_merge_of_the_remote_into_ones_own_work_is_undone_towards_the_remote(look, world):
    # `git pull` makes a merge whose first parent is one's own commit, and whose second is what was live.
    mine = world.commit("mine.py", "m = 1\n", "My work")
    world.somebody_pushes()
    world.git("fetch", "-q", "render")
    world.git("merge", "-q", "--no-edit", "render/main")
    live = world.at_remote()
    evidence = await pushed(look)
    assert evidence["push"].evidence["before"] == live
    outcome = await look("git.revert", DEPLOY, evidence=evidence)
    assert outcome.verdict is Verdict.PASS, outcome
    assert world.git("diff", "--stat", live, "HEAD") == ""
    assert mine


async def test_a_conflict_leaves_nothing_behind(look, world):
    first = world.commit("app.py", "print('postgresql')\n", "Use PostgreSQL")
    world.commit("app.py", "print('postgresql, mended')\n", "Mend it")
    await pushed(look)
    there, snapshot = world.at_remote(), world.snapshot()
    outcome = await look("git.revert", {**TO, "commit": first})
    assert outcome.verdict is Verdict.FAIL
    assert "app.py" in outcome.evidence["conflicts"]
    assert "nothing was changed" in outcome.hint
    assert (world.at_remote(), world.snapshot()) == (there, snapshot)
    nothing_left(world)


async def test_a_remote_that_refuses_leaves_the_branch_here_as_it_was(look, world):
    sha = world.commit("a.py", "a = 1\n", "One")
    evidence = await pushed(look)
    world.hook("pre-receive", "echo frozen; exit 1", world.there / "hooks")
    outcome = await look("git.revert", DEPLOY, evidence=evidence)
    assert outcome.verdict is Verdict.FAIL
    assert world.head() == world.at_remote() == sha
    nothing_left(world)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda w: (w.here / "a.py").write_text("changed\n"), "a.py"),
        (lambda w: w.git("switch", "-q", "--detach"), "detached"),
        (lambda w: w.somebody_pushes(), "not part of this branch"),
        (lambda w: w.commit("new.py", "n = 1\n", "Not pushed"), "never pushed"),
    ],
    ids=["dirty", "detached", "behind", "unpushed"],
)
async def test_what_is_not_ready_is_refused(look, world, spoil, says):
    world.commit("a.py", "a = 1\n", "One")
    evidence = await pushed(look)
    spoil(world)
    there = world.at_remote()
    outcome = await look("git.revert", DEPLOY, evidence=evidence)
    assert outcome.verdict is Verdict.FAIL
    assert says in outcome.actual
    assert world.at_remote() == there


async def test_what_cannot_be_reverted_is_said(look, world):
    root = world.head()
    world.commit("a.py", "a = 1\n", "One")
    evidence = await pushed(look)
    assert (await look("git.revert", {**TO, "commit": root})).verdict is Verdict.ERROR
    assert (await look("git.revert", {**TO, "commit": "no-such"})).verdict is Verdict.ERROR
    assert (await look("git.revert", {**TO, "commit": "--all"})).verdict is Verdict.ERROR
    world.git("branch", "side", root)
    apart = world.git("commit-tree", "-p", root, "-m", "apart", f"{root}^{{tree}}")
    assert (await look("git.revert", {**TO, "commit": apart})).verdict is Verdict.ERROR
    assert (await look("git.revert", {"branch": "main"})).verdict is Verdict.UNKNOWN
    failed = {"push": Outcome.failed("no")}
    assert (await look("git.revert", DEPLOY, evidence=failed)).verdict is Verdict.UNKNOWN
    assert any("cannot be said" in line for line in (await look.plan("git.revert", DEPLOY, evidence=failed)).lines)
    assert evidence


async def test_the_edge_of_a_shallow_clone_is_no_commit_to_revert(look, world, tmp_path):
    # Its parents are cut off: reverted, it would take every file away.
    world.commit("a.py", "a = 1\n", "One")
    await pushed(look)
    shallow = look.project / "shallow"
    world.git("clone", "-q", "--depth", "1", "-o", "render", world.there.as_uri(), str(shallow), cwd=tmp_path)
    world.person(shallow)
    outcome = await look("git.revert", {**TO, "folder": "shallow"})
    assert outcome.verdict is Verdict.ERROR
    assert "unshallow" in outcome.hint


async def test_somebody_without_a_name_is_told_so(look, world, monkeypatch):
    world.commit("a.py", "a = 1\n", "One")
    evidence = await pushed(look)
    world.git("config", "--unset", "user.email")
    world.git("config", "user.useConfigOnly", "true")
    monkeypatch.setenv("HOME", str(world.base))
    outcome = await look("git.revert", DEPLOY, evidence=evidence)
    assert outcome.verdict is Verdict.ERROR
    assert "user.email" in outcome.hint
    nothing_left(world)


async def test_a_file_in_the_way_here_does_not_stop_the_remote(look, world):
    (world.here / "old.py").write_text("o = 1\n")
    world.commit("old.py", "o = 1\n", "Old")
    await look("git.push", TO)
    world.git("rm", "-q", "old.py")
    world.git("commit", "-q", "-m", "Without old")
    evidence = await pushed(look)
    (world.here / "old.py").write_text("mine, and never to be lost\n")
    outcome = await look("git.revert", {**DEPLOY, "ignore": ["old.py"]}, evidence=evidence)
    assert outcome.verdict is Verdict.WARN
    assert world.at_remote() == outcome.evidence["sha"]
    assert (world.here / "old.py").read_text() == "mine, and never to be lost\n"


async def test_hooks_do_not_run_in_the_tree_that_is_thrown_away(look, world):
    world.commit("a.py", "a = 1\n", "One")
    evidence = await pushed(look)
    for name in ("post-checkout", "pre-commit", "commit-msg", "prepare-commit-msg", "post-commit"):
        world.hook(name, f"touch '{world.base}/ran-{name}'; exit 1", world.here / ".git" / "hooks")
    outcome = await look("git.revert", DEPLOY, evidence=evidence)
    assert outcome.verdict is Verdict.PASS, outcome
    assert not list(world.base.glob("ran-*"))


def test_a_cancelled_revert_leaves_nothing(world):
    sha = world.commit("a.py", "a = 1\n", "One")
    snapshot = world.snapshot()
    stopped = 0
    for _ in range(20):  # git may have ended before anybody looks whether it shall
        context = Context(item="i", project=world.here, artefacts=world.base / "a")
        git = open_repository(context, world.here)
        try:
            with throw_away(git, sha) as tree:
                context.cancelled.set()
                undo(tree, deploy_between(tree, "", sha).steps)
        except Stopped:
            stopped += 1
        nothing_left(world)
        assert world.snapshot() == snapshot
        if stopped:
            break
    assert stopped


async def test_a_plan_says_beforehand_that_it_will_be_refused(look, world):
    world.commit("a.py", "a = 1\n", "One")
    evidence = await pushed(look)
    (world.here / "a.py").write_text("changed\n")
    plan = await look.plan("git.revert", DEPLOY, evidence=evidence)
    assert "WILL BE REFUSED: 1 not committed, M a.py" in plan.lines[0]


@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(["commit", "merge", "evil"]), min_size=1, max_size=4))
def test_whatever_a_deploy_is_made_of_its_revert_gives_the_files_of_before(tmp_path_factory, steps):
    base = tmp_path_factory.mktemp("any")
    (base / "here").mkdir()
    world = World(base / "here", base)
    before = world.head()
    for number, step in enumerate(steps):
        if step == "commit":
            world.commit("app.py", f"print({number})\n", f"Step {number}")
        elif step == "merge":
            world.merge(f"side-{number}", f"side/{number}.py", "x\n")
        else:
            world.commit(f"-x {number}\t\n.py", f"{number}\n", "--amend\n\nThis reverts commit nothing")
    git = open_repository(Context(item="i", project=world.here, artefacts=Path(base / "a")), world.here)
    deploy = deploy_between(git, before, world.head())
    with throw_away(git, world.head()) as tree:
        undone = undo(tree, deploy.steps)
    assert world.git("diff", "--stat", before, undone) == ""
    nothing_left(world)
