"""git.push: the commits that are deployed go to the branch that the deploy is made from. Never forced."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from checks.contract import Context, Plan, check
from checks.git_program import NETWORK, Git, GitProblem, open_repository, problem
from checks.git_state import (
    Commit,
    Remote,
    changes_of,
    commits_between,
    contains,
    count_between,
    counted,
    halfway_through,
    head_of,
    is_shallow,
    is_there,
    listed,
    remote_of,
    sha_at,
    valid_branch,
)
from state.verdicts import Outcome

_REFUSED = "AS IT IS NOW IT WILL BE REFUSED"
_ASK_IN_PLAN = 5.0  # seconds that the remote has while a person waits for the plan
_SETTINGS = 'with = { remote = "origin", branch = "main" }'


class Refuses(Exception):
    """It is seen, and it is not as it must be before anything may be pushed: what, and what to do."""

    def __init__(self, what: str, hint: str) -> None:
        self.what, self.hint = what, hint
        super().__init__(what)


@dataclass(frozen=True, slots=True)
class Ready:
    """A work tree that may be pushed: the commit SHA of BRANCH, and what the remote has now (`there`, empty: no such
    branch)."""

    git: Git
    remote: Remote
    branch: str
    sha: str
    there: str

    @property
    def commits(self) -> tuple[Commit, ...]:
        """The newest of what a push brings to the remote."""
        return commits_between(self.git, self.there, self.sha, 10)

    @property
    def count(self) -> int:
        """How many commits a push brings to the remote."""
        return count_between(self.git, self.there, self.sha)


def ready(ctx: Context, folder: Path, remote: str, branch: str, ignore: Sequence[Path]) -> Ready:
    """The work tree of FOLDER, on BRANCH, clean, and not behind the branch of that name at REMOTE.

    Raises Refuses for what does not hold, GitProblem for what cannot be looked at.
    """
    git = open_repository(ctx, folder)
    git, where = remote_of(git, remote)
    if not valid_branch(git, branch):
        raise GitProblem(f"{branch!r} cannot be the name of a branch", "see git check-ref-format")
    here, sha = head_of(git)
    if not here:
        raise Refuses("HEAD is detached, on no branch", "git switch to the branch that is deployed")
    if here != branch:
        raise Refuses(
            f"on branch {here}, not {branch}", "git switch to the branch that is deployed, or name this one"
        )
    if halfway := halfway_through(git):
        raise Refuses(f"git is in the middle of {halfway}", "finish it, or abort it")
    if changes := changes_of(git, ctx, ignore):
        more = f" and {len(changes) - 5} more" if len(changes) > 5 else ""
        what = f"{len(changes)} not committed: {', '.join(changes[:5])}{more}"
        raise Refuses(what, "commit them, stash them, or name what is none of the deploy in ignore")
    there = sha_at(git, where, branch)
    behind(git, where, branch, sha, there)
    return Ready(git, where, branch, sha, there)


def behind(git: Git, remote: Remote, branch: str, sha: str, there: str) -> None:
    """Raises Refuses when the remote's branch at THERE holds what SHA does not."""
    if not there or there == sha:
        return
    known = is_there(git, there)
    if not known and is_shallow(git):
        what = f"{remote.name}/{branch} is at {there[:10]}, which this shallow clone does not hold"
        raise GitProblem(what, "git fetch --unshallow")
    if not known or not contains(git, sha, there):
        what = f"{remote.name}/{branch} is at {there[:10]}, which is not part of this branch"
        raise Refuses(what, f"somebody else has pushed: git fetch {remote.name}, look at it, then merge or rebase")


def push_commit(state: Ready, sha: str) -> None:
    """Push SHA, exactly that commit, to the branch; never forced. Raises Refuses when the remote or a hook says no,
    GitProblem when it could not be reached or does not have it afterwards."""
    git, remote, branch = state.git, state.remote, state.branch
    refspec = f"{sha}:refs/heads/{branch}"
    options = ("--porcelain", "--no-follow-tags", "--no-force", "--recurse-submodules=no")
    try:
        done = git.run("push", *options, "--", remote.name, refspec, timeout=NETWORK, log=True)
    except TimeoutError as error:
        raise GitProblem(f"{error}: nobody knows whether it arrived", "run it again: it says what is there") from None
    if done.exit_code != 0:
        refused = [line.split("\t") for line in done.stdout.splitlines() if line.startswith("!")]
        said = [line.strip() for line in git.redact(done.stderr).splitlines() if line.startswith("remote:")]
        if refused:
            reason = git.redact(refused[0][-1])
            hint = "somebody was quicker: git fetch, look at it, then again"
            if "remote rejected" in reason or "declined" in reason:
                hint = "the remote's rules refuse it (a hook, a protected branch): " + (
                    " ".join(said[:3]) or "ask there"
                )
            raise Refuses(f"{remote.name} refused it: {reason}", hint)
        failed = problem(done, git.redact, f"push to {remote.name}")
        if "failed to push some refs" in done.stderr and "fatal:" not in done.stderr:
            raise Refuses(failed.message, "a hook of this repository (pre-push) refused it: read the log")
        raise failed
    there = sha_at(git, remote, branch)
    if there != sha:
        found = there[:10] or "no such branch"
        raise GitProblem(
            f"pushed, but {remote.name}/{branch} is at {found}", "look at the remote before anything else"
        )


def _plan(ctx: Context, *, remote: str, branch: str, folder: Path, ignore: list[Path] | None) -> Plan:
    return Plan(_lines(ctx, remote, branch, folder, ignore or []), "one-way", f"{remote}/{branch}")


def _lines(ctx: Context, remote: str, branch: str, folder: Path, ignore: Sequence[Path]) -> tuple[str, ...]:
    try:
        git, where = remote_of(open_repository(ctx, folder), remote)
        here, sha = head_of(git)
        known, source = _before(git, where, branch)
        first = f"git push {remote} {sha[:10]}:refs/heads/{branch}, never forced"
        lines = [first, f"to {where.url}, from the branch {here or '(detached)'}"]
        lines += refusals(git, ctx, branch, ignore)
        if known == sha:
            return (*lines, f"nothing goes: {source} has this commit already")
        if known and not is_there(git, known):
            return (*lines, f"{_REFUSED}: {source} is at {known[:10]}, which is not here")
        count = count_between(git, known, sha)
        since = f"that {source} does not have" if known else f"all of them: {source} has no such branch"
        return (*lines, f"{counted(count)} {since}:", *listed(commits_between(git, known, sha), count))
    except GitProblem as error:
        return (f"git push {remote} {branch}: cannot be said now: {error.message}", error.hint)


def refusals(git: Git, ctx: Context, branch: str, ignore: Sequence[Path]) -> list[str]:
    """For a plan: why it would be refused if it were said go now."""
    here, _ = head_of(git)
    if here != branch:
        return [f"{_REFUSED}: on {here or 'no branch'}, not {branch}"]
    changes = changes_of(git, ctx, ignore)
    return [f"{_REFUSED}: {len(changes)} not committed, {changes[0]} …"] if changes else []


def _before(git: Git, remote: Remote, branch: str) -> tuple[str, str]:
    """What the remote has, and who says so: the remote itself, or what was last heard of it."""
    try:
        return sha_at(git, remote, branch, _ASK_IN_PLAN), remote.name
    except (GitProblem, TimeoutError):
        heard = git.run("rev-parse", "--verify", "--quiet", f"refs/remotes/{remote.name}/{branch}").stdout.strip()
        return heard, f"{remote.name} as last heard of (it does not answer)"


@check("git.push", effect="change", timeout="5m", plan=_plan)
def push(
    ctx: Context,
    *,
    remote: str = "",
    branch: str = "",
    folder: Path = Path(),
    ignore: list[Path] | None = None,
) -> Outcome:
    """Pushes the commit that is checked out to BRANCH at REMOTE, never forced, and sees that it arrived.

    The work tree of FOLDER must be on BRANCH, with nothing uncommitted but the run's record and the paths IGNORE,
    and not behind the remote. When all is there already it passes, and says so.
    Submodules are left alone.
    """
    if not remote or not branch:
        missing = "remote" if not remote else "branch"
        return Outcome.unknown(f"no {missing} is named to push to", hint=_SETTINGS)
    expected = f"{remote}/{branch} has the commit that is checked out"
    try:
        state = ready(ctx, folder, remote, branch, ignore or [])
        count = state.count
        evidence = evidence_of(state, count)
        if state.there == state.sha:
            evidence["before"] = _pushed_before(state)
            actual = f"{remote}/{branch} is at {state.sha[:10]} already: nothing to push"
            return Outcome.passed(actual, expected=expected, evidence=evidence)
        push_commit(state, state.sha)
    except Refuses as no:
        return Outcome.failed(no.what, expected=expected, hint=no.hint)
    except GitProblem as error:
        return Outcome.error(error.message, hint=error.hint)
    actual = f"{counted(count)} pushed, {remote}/{branch} is at {state.sha[:10]}"
    return Outcome.passed(actual, expected=expected, evidence=evidence)


def evidence_of(state: Ready, count: int) -> dict[str, object]:
    """What a push leaves: `before` is what the remote had, from which a revert knows the commits of the deploy."""
    return {
        "sha": state.sha,
        "before": state.there,
        "remote": state.remote.name,
        "branch": state.branch,
        "url": state.remote.url,
        "commits": count,
        **{f"commit {number:02}": one.short for number, one in enumerate(state.commits, 1)},
    }


def _pushed_before(state: Ready) -> str:
    """What the remote had before its present commit, as git remembers of a push from here; empty when it does not."""
    name = f"refs/remotes/{state.remote.name}/{state.branch}"
    said = state.git.run("reflog", "show", "--format=%H%x09%gs", "-n", "2", name, "--")
    entries = [line.split("\t") for line in said.stdout.splitlines() if "\t" in line]
    if said.exit_code == 0 and len(entries) == 2 and entries[0] == [state.sha, "update by push"]:
        return entries[1][0]
    return ""
