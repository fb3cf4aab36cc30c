"""Undoing a deploy by git revert, tried in a work tree that is thrown away: the user's own is never touched."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from checks.backups import NotThere
from checks.contract import Context
from checks.git_program import Git, GitProblem, problem
from checks.git_state import Commit, commit_named, commits_between, contains, count_between
from state.verdicts import Verdict

_MOST = 100  # commits that one deploy may have
_REVERTS = re.compile(r"This reverts commit ([0-9a-f]{40,64})\b")


class Conflict(Exception):
    """COMMIT cannot be reverted by itself: FILES were changed since."""

    def __init__(self, commit: Commit, files: Sequence[str]) -> None:
        self.commit, self.files = commit, tuple(files)
        super().__init__(f"{commit.short}: conflicts in {', '.join(files[:5])}")


@dataclass(frozen=True, slots=True)
class Step:
    """One commit to revert. `mainline` is the parent that stays (from 1), for a merge; 0 for any other commit."""

    commit: Commit
    mainline: int

    @property
    def arguments(self) -> tuple[str, ...]:
        """What git is told."""
        merge = ("-m", str(self.mainline)) if self.mainline else ()
        return ("revert", "--no-edit", *merge, self.commit.sha)


@dataclass(frozen=True, slots=True)
class Deploy:
    """The commits that a deploy brought: from `before` (empty: not known, the head alone) to `head`. `steps` undo it,
    the newest commit first."""

    before: str
    head: str
    steps: tuple[Step, ...]

    @property
    def words(self) -> str:
        """Which commits, in words."""
        return f"{self.before[:10]}..{self.head[:10]}" if self.before else f"{self.head[:10]} alone"


def deploy_of(ctx: Context, git: Git, named: str) -> Deploy:
    """The deploy that NAMED means: the item that pushed it, a range "before..head", or one commit.

    Raises NotThere for an item that has pushed nothing, GitProblem for what cannot be reverted.
    """
    if named in ctx.evidence:
        pushed = ctx.evidence[named]
        sha, before = str(pushed.evidence.get("sha", "")), str(pushed.evidence.get("before", ""))
        if pushed.verdict not in (Verdict.PASS, Verdict.WARN) or not sha:
            raise NotThere(f"item {named!r} has pushed nothing ({pushed.verdict})", "name the commit, or a range")
        return deploy_between(git, before and commit_named(git, before), commit_named(git, sha))
    first, dots, last = named.partition("..")
    if dots:
        return deploy_between(git, commit_named(git, first), commit_named(git, last.lstrip(".") or "HEAD"))
    return deploy_between(git, "", commit_named(git, named))


def deploy_between(git: Git, before: str, head: str) -> Deploy:
    """The deploy from BEFORE (empty: HEAD alone) to HEAD, two shas. Raises GitProblem."""
    if before and not contains(git, head, before):
        raise GitProblem(f"{before[:10]} is not before {head[:10]}", "name the range as before..head")
    if before and (count := count_between(git, before, head)) > _MOST:
        hint = "revert them by hand, or deploy the commit before from the dashboard"
        raise GitProblem(f"{count} commits in one deploy are too many to revert one by one", hint)
    if not before:
        return Deploy("", head, (_step(git, commits_between(git, "", head, 1)[0], ""),))
    known = {one.sha: one for one in commits_between(git, before, head)}
    steps = []
    here = head
    while here != before:
        # A merge is undone towards the side on which the state before lies; that is not always its first parent.
        step = _step(git, known[here], before)
        steps.append(step)
        here = step.commit.parents[max(step.mainline, 1) - 1]
    return Deploy(before, head, tuple(steps))


def _step(git: Git, commit: Commit, before: str) -> Step:
    if not commit.parents:
        hint = "name a later commit; in a shallow clone: git fetch --unshallow"
        raise GitProblem(f"{commit.short} has nothing before it that is known here", hint)
    if len(commit.parents) == 1:
        return Step(commit, 0)
    sides = [n for n, parent in enumerate(commit.parents, 1) if not before or contains(git, parent, before)]
    return Step(commit, sides[0])


def still_there(git: Git, deploy: Deploy, head: str) -> tuple[Step, ...]:
    """The steps of DEPLOY that HEAD has not undone already. Raises GitProblem when HEAD does not have the deploy."""
    if not contains(git, head, deploy.head):
        raise GitProblem(f"{deploy.head[:10]} is not part of this branch", "is it the right branch?")
    said = git.ask(
        "log", "--no-show-signature", "-z", "--reverse", "--format=%H%x09%B", f"^{deploy.head}", head, "--"
    )
    reverts: dict[str, str] = {}
    undone: set[str] = set()
    for entry in said.split("\0"):
        sha, _, message = entry.partition("\t")
        for target in _REVERTS.findall(message):
            reverts[sha] = target
            # The revert of a revert brings the commit back.
            if target in reverts:
                undone.discard(reverts[target])
            else:
                undone.add(target)
    return tuple(step for step in deploy.steps if step.commit.sha not in undone)


@contextmanager
def throw_away(git: Git, sha: str) -> Iterator[Git]:
    """A work tree of its own at SHA, in a temporary folder and without hooks; nothing is left of it afterwards."""
    holder = Path(tempfile.mkdtemp(prefix="tminus-trial-"))
    tree = holder / "tree"
    quiet = {**git.config, "core.hooksPath": "/dev/null", "rerere.enabled": "false"}
    own = {**git.environment, "GIT_LFS_SKIP_SMUDGE": "1"}
    ours = Git(git.ctx, git.folder, quiet, own, git.redact)
    try:
        ours.ask("worktree", "add", "--quiet", "--detach", "--", str(tree), sha)
        yield Git(git.ctx, tree, quiet, own, git.redact)
    finally:
        ours.run_afterwards("worktree", "remove", "--force", "--force", "--", str(tree))
        shutil.rmtree(holder, ignore_errors=True)
        _forget(git, tree)


def _forget(git: Git, tree: Path) -> None:
    """Take away what git still keeps of TREE, and of no other: a prune would forget trees on disks that are away."""
    said = git.run_afterwards("rev-parse", "--git-common-dir")
    common = git.folder / said.stdout.removesuffix("\n")
    for kept in (common / "worktrees").glob("*/gitdir") if said.exit_code == 0 else ():
        if kept.read_text(errors="replace").strip() == str(tree / ".git"):
            shutil.rmtree(kept.parent, ignore_errors=True)


def undo(tree: Git, steps: Sequence[Step]) -> str:
    """Revert STEPS in TREE, one commit each; the sha that comes out. Raises Conflict, GitProblem."""
    for number, step in enumerate(steps, 1):
        tree.ctx.progress(number - 1, len(steps), "commits", step.commit.short)
        done = tree.run(*step.arguments, log=True)
        if done.exit_code == 0:
            continue
        files = [one for one in tree.ask("diff", "--name-only", "--diff-filter=U", "-z").split("\0") if one]
        if files:
            raise Conflict(step.commit, files)
        if (
            tree.ask("status", "--porcelain", "--untracked-files=no").strip()
            or "nothing to commit" not in done.stdout
        ):
            raise problem(done, tree.redact, f"git revert {step.commit.sha[:10]}")
        tree.run("revert", "--quit")  # what it did is undone already, under another message
    return tree.ask("rev-parse", "HEAD").strip()


def same_tree(git: Git, one: str, other: str) -> bool:
    """Whether two commits hold the same files with the same contents."""
    return git.ask("rev-parse", f"{one}^{{tree}}") == git.ask("rev-parse", f"{other}^{{tree}}")
