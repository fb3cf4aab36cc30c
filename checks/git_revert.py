"""git.revert: the commits of a deploy are undone by new commits, and go where the deploy is made from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from checks.backups import NotThere
from checks.contract import Context, Plan, check
from checks.git_program import GitProblem, open_repository
from checks.git_push import Ready, Refuses, push_commit, ready, refusals
from checks.git_state import counted, head_of, remote_of
from checks.git_undo import Conflict, Deploy, Step, deploy_of, same_tree, still_there, throw_away, undo
from state.verdicts import Outcome

_SETTINGS = 'with = { remote = "origin", branch = "main", commit = "push" }'


def _plan(ctx: Context, *, remote: str, branch: str, commit: str, folder: Path, ignore: list[Path] | None) -> Plan:
    return Plan(_lines(ctx, remote, branch, commit, folder, ignore or []), "one-way", f"{remote}/{branch}")


def _lines(
    ctx: Context, remote: str, branch: str, commit: str, folder: Path, ignore: Sequence[Path]
) -> tuple[str, ...]:
    try:
        git, where = remote_of(open_repository(ctx, folder), remote)
        _, sha = head_of(git)
        deploy = deploy_of(ctx, git, commit)
        steps = still_there(git, deploy, sha)
        refused = refusals(git, ctx, branch, ignore)
    except GitProblem as error:
        return (f"git revert {commit}: cannot be said now: {error.message}", error.hint)
    except NotThere as missing:
        return (f"git revert: cannot be said now: {missing.what}", missing.hint)
    if not steps:
        return (
            f"nothing to revert: {deploy.words} is undone already",
            f"git push {remote} {branch}, if it is not there",
        )
    known = f"the deploy {deploy.words}" if deploy.before else "one commit; what came before it stays"
    return (
        *refused,
        f"{counted(len(steps))} to revert, the newest first ({known}), in a work tree that is thrown away:",
        *(f"  git {' '.join(step.arguments[:-1])} {step.commit.short}" for step in steps),
        "with any conflict nothing is done, and nothing is left",
        f"git push {remote} <the new commit>:refs/heads/{branch}, never forced, to {where.url}",
        "then the branch here goes forward to it (git merge --ff-only)",
    )


@check("git.revert", effect="change", timeout="5m", plan=_plan)
def revert(
    ctx: Context,
    *,
    remote: str = "",
    branch: str = "",
    commit: str = "HEAD",
    folder: Path = Path(),
    ignore: list[Path] | None = None,
) -> Outcome:
    """Reverts the deploy COMMIT and pushes the result to BRANCH at REMOTE, never forced.

    COMMIT is the item that pushed it (git.push: all commits of that push), a range "before..head", or one commit; a
    merge is undone towards the side that was there before (-m 1). It is done in a work tree that is thrown away, so
    that a conflict leaves nothing. The tree of FOLDER must be as for git.push, and have nothing that was not pushed.
    """
    if not remote or not branch:
        missing = "remote" if not remote else "branch"
        return Outcome.unknown(f"no {missing} is named to push to", hint=_SETTINGS)
    expected = f"{remote}/{branch} is as before the deploy"
    try:
        state = ready(ctx, folder, remote, branch, ignore or [])
        deploy = deploy_of(ctx, state.git, commit)
        steps = still_there(state.git, deploy, state.sha)
        return _reverted(state, deploy, steps, expected)
    except Conflict as conflict:
        files = ", ".join(conflict.files[:5])
        hint = "nothing was changed; deploy the commit before from the dashboard, or revert by hand"
        evidence = {"commit": conflict.commit.short, "conflicts": files}
        actual = f"{conflict.commit.short} does not revert cleanly: {files}"
        return Outcome.failed(actual, expected=expected, evidence=evidence, hint=hint)
    except Refuses as no:
        return Outcome.failed(no.what, expected=expected, hint=no.hint)
    except NotThere as missing_item:
        return Outcome.unknown(missing_item.what, hint=missing_item.hint)
    except GitProblem as error:
        return Outcome.error(error.message, hint=error.hint)


def _reverted(state: Ready, deploy: Deploy, steps: Sequence[Step], expected: str) -> Outcome:
    git, place = state.git, f"{state.remote.name}/{state.branch}"
    evidence: dict[str, object] = {
        "reverts": deploy.words,
        "commits": len(steps),
        "remote": state.remote.name,
        "branch": state.branch,
        "url": state.remote.url,
        **{f"reverted {number:02}": step.commit.short for number, step in enumerate(steps[:10], 1)},
    }
    if steps and state.there != state.sha:
        what = f"{counted(state.count)} here never pushed to {place} would go along"
        raise Refuses(what, "push them, or take them to another branch: only the revert must go")
    result = state.sha
    if steps:
        with throw_away(git, state.sha) as tree:
            result = undo(tree, steps)
    evidence |= {"sha": result, "before": state.there}
    as_before = bool(deploy.before) and same_tree(git, result, deploy.before)
    if deploy.before:
        evidence["files"] = (
            "as before the deploy" if as_before else "differ from before the deploy: later commits stay"
        )
    if result == state.there:
        actual = f"undone already: {place} is at {result[:10]}"
        return Outcome.passed(actual, expected=expected, evidence=evidence)
    push_commit(state, result)
    forward = git.run("merge", "--ff-only", "--no-autostash", "--quiet", result)
    actual = f"{counted(len(steps))} reverted, {place} is at {result[:10]}"
    if forward.exit_code != 0:
        hint = f"git pull --ff-only {state.remote.name} {state.branch}, when the files in the way are gone"
        return Outcome.warned(f"{actual}; the branch here is not", expected=expected, evidence=evidence, hint=hint)
    return Outcome.passed(actual, expected=expected, evidence=evidence)
