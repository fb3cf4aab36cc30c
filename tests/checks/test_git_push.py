"""git.push on real repositories: what goes, what is refused, and that it arrived."""

from __future__ import annotations

import http.server
import os
import socket
import threading

import pytest
from git_world import World
from hypothesis import given, settings
from hypothesis import strategies as st

from checks.contract import Context
from checks.git_program import open_repository, shown_url
from checks.git_state import changes_of
from state.verdicts import Verdict

TO = {"remote": "render", "branch": "main"}


@pytest.fixture
def world(look, tmp_path) -> World:
    return World(look.project, tmp_path)


async def test_the_commits_are_shown_pushed_and_seen_at_the_remote(look, world):
    before = world.head()
    world.commit("a.py", "a = 1\n", "Move to PostgreSQL")
    sha = world.commit("b.py", "b = 1\n", "Pool settings; $(touch pwned)")
    plan = await look.plan("git.push", TO)
    assert (plan.danger, plan.target) == ("one-way", "render/main")
    text = "\n".join(plan.lines)
    assert f"git push render {sha[:10]}:refs/heads/main, never forced" in text
    assert "2 commits" in text
    assert "Move to PostgreSQL" in text
    assert world.at_remote() == before
    outcome = await look("git.push", TO)
    assert outcome.verdict is Verdict.PASS, outcome
    assert world.at_remote() == sha
    assert outcome.evidence["sha"] == sha
    assert outcome.evidence["before"] == before
    assert (outcome.evidence["remote"], outcome.evidence["branch"], outcome.evidence["commits"]) == (
        "render",
        "main",
        2,
    )
    assert outcome.evidence["commit 01"].startswith(sha[:10])


async def test_a_second_run_passes_says_so_and_still_knows_what_was_there_before(look, world):
    before = world.head()
    world.commit("a.py", "a = 1\n", "One")
    await look("git.push", TO)
    again = await look("git.push", TO)
    assert again.verdict is Verdict.PASS
    assert "already" in again.actual
    assert again.evidence["before"] == before
    assert any("nothing goes" in line for line in (await look.plan("git.push", TO)).lines)


async def test_without_a_remote_or_branch_it_is_unknown_and_names_the_setting(look, world):
    for with_, missing in (({"branch": "main"}, "remote"), ({"remote": "render"}, "branch")):
        outcome = await look("git.push", with_)
        assert outcome.verdict is Verdict.UNKNOWN
        assert missing in outcome.actual


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda w: (w.here / "app.py").write_text("changed\n"), "app.py"),
        (lambda w: (w.here / "forgotten.py").write_text("x\n"), "? forgotten.py"),
        (lambda w: w.git("rm", "-q", "--cached", "app.py"), "app.py"),
        (lambda w: w.git("switch", "-q", "-c", "other"), "on branch other, not main"),
        (lambda w: w.git("switch", "-q", "--detach"), "detached"),
        (lambda w: w.somebody_pushes(), "not part of this branch"),
        (lambda w: (w.here / ".git" / "MERGE_HEAD").write_text(w.head() + "\n"), "middle of a merge"),
    ],
    ids=["changed", "untracked", "index", "other-branch", "detached", "behind", "merging"],
)
async def test_what_is_not_ready_is_refused_and_nothing_goes(look, world, spoil, says):
    world.commit("a.py", "a = 1\n", "One")
    spoil(world)
    there = world.at_remote()
    outcome = await look("git.push", TO)
    assert outcome.verdict is Verdict.FAIL
    assert says in outcome.actual
    assert outcome.hint
    assert world.at_remote() == there


async def test_what_is_ignored_and_the_record_of_the_run_are_not_in_the_way(look, world):
    sha = world.commit("a.py", "a = 1\n", "One")
    (look.project / "artefacts").mkdir()
    (look.project / "artefacts" / "log.txt").write_text("of this run\n")
    (look.project / "notes [x]").mkdir()
    (look.project / "notes [x]" / "a.txt").write_text("mine\n")
    assert (await look("git.push", TO)).verdict is Verdict.FAIL
    outcome = await look("git.push", {**TO, "ignore": ["notes [x]/", "../elsewhere", "/srv/backups", "."]})
    assert outcome.verdict is Verdict.PASS, outcome
    assert world.at_remote() == sha


def test_the_record_of_the_run_grows_beside_the_code_and_is_no_change(world):
    for name in ("deployments/run.toml", "deployments/run.files/log", "deployments.py", "src/deployments/a.py"):
        (world.here / name).parent.mkdir(parents=True, exist_ok=True)
        (world.here / name).write_text("x\n")
    context = Context(item="i", project=world.here, artefacts=world.here / "deployments" / "run.files")
    git = open_repository(context, world.here)
    assert changes_of(git, context) == ("? deployments.py", "? src/")


@pytest.mark.parametrize(
    ("hook", "says"),
    [("echo 'the branch is frozen'; exit 1", "declined"), ("sleep 0; echo canary >&2; exit 1", "declined")],
)
async def test_a_hook_of_the_remote_that_declines_is_a_failure_with_its_reason(look, world, hook, says):
    world.commit("a.py", "a = 1\n", "One")
    world.hook("pre-receive", hook, world.there / "hooks")
    there = world.at_remote()
    outcome = await look("git.push", TO)
    assert outcome.verdict is Verdict.FAIL
    assert says in outcome.actual
    assert "frozen" in outcome.hint or "canary" in outcome.hint
    assert world.at_remote() == there


async def test_a_hook_here_that_declines_is_a_failure(look, world):
    world.commit("a.py", "a = 1\n", "One")
    world.hook("pre-push", "echo tests fail >&2; exit 1", world.here / ".git" / "hooks")
    outcome = await look("git.push", TO)
    assert outcome.verdict is Verdict.FAIL
    assert "pre-push" in outcome.hint


async def test_somebody_who_is_quicker_between_look_and_push_wins(look, world):
    world.commit("a.py", "a = 1\n", "One")
    # The hook runs after everything was looked at, and right before the push.
    other = world.base / "other"
    world.git("clone", "-q", str(world.there), str(other), cwd=world.base)
    world.person(other)
    theirs = world.commit("o.py", "o = 1\n", "Quicker", cwd=other)
    world.hook("pre-push", f"unset GIT_DIR; git -C '{other}' push -q", world.here / ".git" / "hooks")
    outcome = await look("git.push", TO)
    assert outcome.verdict is Verdict.FAIL
    assert "refused it" in outcome.actual
    assert world.at_remote() == theirs


async def test_a_remote_that_says_yes_and_does_not_keep_it_is_seen(look, world):
    world.commit("a.py", "a = 1\n", "One")
    there = world.at_remote()
    world.hook("post-receive", f"git update-ref refs/heads/main {there}", world.there / "hooks")
    outcome = await look("git.push", TO)
    assert outcome.verdict is Verdict.ERROR
    assert "pushed, but" in outcome.actual


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("{base}/nowhere.git", "git repository"),
        ("http://127.0.0.1:{port}/app.git", "127.0.0.1"),
        ("https://anna:canary-pass@127.0.0.1:{port}/app.git", "127.0.0.1"),
        ("ssh://git@127.0.0.1:{port}/app.git", "render"),
    ],
)
async def test_a_remote_that_cannot_be_reached_is_an_error_without_its_secrets(look, world, url, says):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        shown = url.format(base=world.base, port=nobody.getsockname()[1])
        world.git("remote", "set-url", "render", shown)
        outcome = await look("git.push", TO)
        plan = await look.plan("git.push", TO)
    assert outcome.verdict is Verdict.ERROR
    assert says in outcome.actual
    assert outcome.hint
    assert any("does not answer" in line for line in plan.lines)
    assert "canary" not in repr((outcome, plan, look.lines))


async def test_a_remote_that_never_answers_ends_at_the_deadline(look, world):
    with socket.create_server(("127.0.0.1", 0)) as server:
        world.git("remote", "set-url", "render", f"http://127.0.0.1:{server.getsockname()[1]}/app.git")
        outcome = await look("git.push", TO, timeout="1s")
    assert outcome.verdict is Verdict.ERROR


class AsksForAPassword(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(401)
        self.send_header("WWW-Authenticate", 'Basic realm="x"')
        self.end_headers()

    def log_message(self, *words: object) -> None:
        pass


async def test_a_remote_that_asks_for_a_password_is_an_error_and_no_prompt(look, world):
    with http.server.HTTPServer(("127.0.0.1", 0), AsksForAPassword) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        world.git("remote", "set-url", "render", f"http://127.0.0.1:{server.server_port}/app.git")
        outcome = await look("git.push", TO)
        server.shutdown()
        thread.join()
    assert outcome.verdict is Verdict.ERROR
    assert "credential helper" in outcome.hint


async def test_another_place_to_push_to_is_asked_itself_and_its_token_stays_hidden(look, world):
    second = world.base / "second.git"
    world.git("init", "-q", "--bare", "-b", "main", str(second), cwd=world.base)
    world.git("remote", "set-url", "--push", "render", f"file://anna:canary-token@{second}")
    outcome = await look("git.push", TO)
    # Pushed all: the second place had nothing, though the fetch URL has it.
    assert outcome.verdict is Verdict.PASS, outcome
    assert outcome.evidence["before"] == ""
    assert world.git("rev-parse", "main", cwd=second) == world.head()
    assert "canary" not in repr((outcome, look.lines))


async def test_a_branch_with_a_hostile_name_is_a_name_and_nothing_else(look, world):
    name = "feat/$(touch$IFS$9pwned);'\"&|<x>é--force"
    world.git("update-ref", f"refs/heads/{name}", "HEAD")
    world.git("symbolic-ref", "HEAD", f"refs/heads/{name}")
    sha = world.commit("a.py", "a = 1\n", "One")
    outcome = await look("git.push", {"remote": "render", "branch": name})
    assert outcome.verdict is Verdict.PASS, outcome
    assert world.at_remote(name) == sha
    assert not list(world.base.rglob("pwned"))
    for bad in ("a..b", "a b", "x.lock", "a\nb", "+main:evil"):
        refused = await look("git.push", {"remote": "render", "branch": bad})
        assert refused.verdict in (Verdict.ERROR, Verdict.FAIL)
    assert (await look("git.push", {"remote": "--exec=touch pwned", "branch": "main"})).verdict is Verdict.ERROR


async def test_submodules_are_left_alone(look, world):
    library = world.base / "library"
    library.mkdir()
    world.git("init", "-q", "-b", "main", cwd=library)
    world.person(library)
    world.commit("lib.py", "x = 1\n", "Library", cwd=library)
    world.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(library), "lib")
    world.git("commit", "-q", "-m", "With a library")
    (world.here / "lib" / "lib.py").write_text("x = 2\n")
    outcome = await look("git.push", TO)
    assert outcome.verdict is Verdict.PASS, outcome
    assert (world.here / "lib" / "lib.py").read_text() == "x = 2\n"


async def test_a_shallow_clone_pushes_what_it_has_and_does_not_guess(look, world, tmp_path):
    world.commit("a.py", "a = 1\n", "One")
    await look("git.push", TO)
    shallow = look.project / "shallow"
    world.git("clone", "-q", "--depth", "1", "-o", "render", world.there.as_uri(), str(shallow), cwd=tmp_path)
    world.person(shallow)
    sha = world.commit("b.py", "b = 1\n", "Two", cwd=shallow)
    outcome = await look("git.push", {**TO, "folder": "shallow"})
    assert outcome.verdict is Verdict.PASS, outcome
    assert world.at_remote() == sha
    world.somebody_pushes()
    world.commit("c.py", "c = 1\n", "Three", cwd=shallow)
    blind = await look("git.push", {**TO, "folder": "shallow"})
    assert blind.verdict is Verdict.ERROR
    assert "unshallow" in blind.hint


async def test_where_it_cannot_look_it_says_so(look, tmp_path, monkeypatch):
    assert (await look("git.push", TO)).verdict is Verdict.ERROR  # no repository
    assert (await look("git.push", {**TO, "folder": "nowhere"})).verdict is Verdict.ERROR
    World(look.project, tmp_path)
    unknown = await look("git.push", {**TO, "remote": "rendr"})
    assert unknown.verdict is Verdict.ERROR
    assert "render" in unknown.hint
    monkeypatch.setenv("PATH", str(tmp_path))
    missing = await look("git.push", TO)
    assert missing.verdict is Verdict.ERROR
    assert "not installed" in missing.actual
    assert any("not installed" in line for line in (await look.plan("git.push", TO)).lines)


async def test_variables_of_another_repository_do_not_leak_in(look, world, monkeypatch):
    sha = world.commit("a.py", "a = 1\n", "One")
    monkeypatch.setenv("GIT_DIR", os.devnull)
    monkeypatch.setenv("GIT_INDEX_FILE", os.devnull)
    monkeypatch.setenv("GIT_WORK_TREE", "/")
    outcome = await look("git.push", TO)
    monkeypatch.undo()
    assert outcome.verdict is Verdict.PASS, outcome
    assert world.at_remote() == sha


@given(
    st.text(st.characters(codec="ascii", exclude_characters="/\\ ?#\n"), min_size=8), st.sampled_from(["", "anna"])
)
@settings(max_examples=30, deadline=None)
def test_no_password_of_any_kind_is_shown(password, user):
    secret = f"canary{password}"
    assert "canary" not in shown_url(f"https://{user}:{secret}@example.org/a.git?x={secret}")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://anna:canary@github.com/a/b.git?token=canary", "https://github.com/a/b.git"),
        ("https://canarytoken@github.com/a/b.git", "https://github.com/a/b.git"),
        ("ssh://git:canary@host:2222/a.git", "ssh://git@host:2222/a.git"),
        ("git@github.com:a/b.git", "git@github.com:a/b.git"),
        ("/srv/git/a.git", "/srv/git/a.git"),
        ("https://[canary", "https://…"),
    ],
)
def test_a_url_is_shown_without_its_credentials(url, shown):
    assert shown_url(url) == shown
