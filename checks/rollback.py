"""rollback.ready: whether the way back is open, before anybody needs it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from checks.backups import NotThere, backup_of
from checks.contract import Context, Seconds, check
from checks.git_program import Git, GitProblem, open_repository
from checks.git_state import counted, head_of, remote_of, sha_at
from checks.git_undo import Conflict, Deploy, deploy_between, deploy_of, still_there, throw_away, undo
from state.durations import format_duration
from state.verdicts import Outcome, Verdict
from transfer.backup import verify_backup
from transfer.errors import CouldNotLook
from transfer.manifest import read_manifest


@dataclass(frozen=True, slots=True)
class Point:
    """One thing that a rollback needs: what was seen of it, and what to do when it is not there."""

    name: str
    verdict: Verdict
    seen: str
    hint: str = ""


def backup_point(ctx: Context, named: str, newer_than: float, now: datetime) -> Point:
    """A backup that still is what its manifest says, made less than NEWER_THAN seconds before NOW."""
    name = "backup"
    if not named:
        return Point(name, Verdict.UNKNOWN, "no backup is named", 'with = { backup = "<the item that makes it>" }')
    try:
        path = backup_of(ctx, named)
        manifest = read_manifest(path)
        sound = verify_backup(path, contents_too=False)
        made = datetime.fromisoformat(manifest.made_at)
    except NotThere as missing:
        return Point(name, Verdict.UNKNOWN, missing.what, missing.hint)
    except (CouldNotLook, ValueError) as blind:
        return Point(name, Verdict.UNKNOWN, str(blind), "make a new backup: sqlite.backup")
    problems = list(sound.problems)
    said = ctx.evidence[named].evidence.get("sha256") if named in ctx.evidence else None
    if said is not None and said != manifest.sha256:
        problems.append(f"it is not the one that {named!r} made")
    if manifest.integrity != "ok":
        problems.append(f"integrity: {manifest.integrity}")
    if problems:
        return Point(name, Verdict.FAIL, f"{path.name}: {'; '.join(problems[:3])}", "make a new backup")
    if made.tzinfo is None:
        return Point(name, Verdict.UNKNOWN, f"{path.name}: made at an unknown time", "make a new backup")
    age = (now - made).total_seconds()
    if not -60 <= age <= newer_than:
        old = f"{format_duration(age)} old, more than {format_duration(newer_than)}" if age > 0 else "of the future"
        return Point(name, Verdict.FAIL, f"{path.name} is {old}", "make a new backup")
    seen = f"{path.name}, {format_duration(max(age, 0.0))} old, sha256 {manifest.sha256[:12]} as in its manifest"
    return Point(name, Verdict.PASS, seen)


def revert_point(ctx: Context, folder: Path, commit: str, remote: str, branch: str) -> Point:
    """The deploy reverts without a conflict, tried in a work tree that is thrown away."""
    name = "revert"
    started = time.monotonic()
    try:
        git = open_repository(ctx, folder)
        _, sha = head_of(git)
        deploy = _deploy(ctx, git, sha, commit, remote, branch)
        steps = still_there(git, deploy, sha)
        if not steps:
            return Point(name, Verdict.PASS, f"{deploy.words} is undone already")
        unsigned = replace(git, config={**git.config, "commit.gpgSign": "false"})
        with throw_away(unsigned, sha) as tree:
            undo(tree, steps)
    except Conflict as conflict:
        files = ", ".join(conflict.files[:5])
        hint = "the way back is the earlier deploy, not a revert; or mend the conflict beforehand"
        return Point(name, Verdict.FAIL, f"{conflict.commit.short} conflicts in {files}", hint)
    except NotThere as missing:
        return Point(name, Verdict.UNKNOWN, missing.what, missing.hint)
    except GitProblem as error:
        return Point(name, Verdict.UNKNOWN, error.message, error.hint)
    except TimeoutError as error:
        return Point(name, Verdict.UNKNOWN, str(error), "try git by hand: what does it wait for?")
    took = format_duration(time.monotonic() - started)
    return Point(name, Verdict.PASS, f"{counted(len(steps))} ({deploy.words}), tried in {took}: no conflict")


def _deploy(ctx: Context, git: Git, sha: str, commit: str, remote: str, branch: str) -> Deploy:
    """What would have to be reverted from SHA: COMMIT; or, with a remote, all that is still to be pushed to it."""
    if remote and branch and commit == "HEAD":
        git, where = remote_of(git, remote)
        there = sha_at(git, where, branch)
        if there and there != sha:
            return deploy_between(git, there, sha)
    return deploy_of(ctx, git, commit)


def previous_deploy_point(ctx: Context, named: str) -> Point:
    """The deploy to go back to: an item that has looked at it, or its name as somebody wrote it down."""
    name = "previous deploy"
    if not named:
        hint = 'with = { previous_deploy = "<an item that looks at it, or the id of the deploy>" }'
        return Point(name, Verdict.UNKNOWN, "no deploy to go back to is named", hint)
    seen = ctx.evidence.get(named)
    if seen is None:
        return Point(name, Verdict.WARN, f"{named}, as it was written down; nobody looked", "look in the dashboard")
    verdict = seen.verdict if seen.verdict.is_known else Verdict.UNKNOWN
    return Point(name, verdict, f"{named}: {seen.actual}", seen.hint or f"run {named!r} again")


def time_point(steps: Mapping[str, float] | None, limit: float | None) -> Point:
    """The sum of what the STEPS take (seconds) is within LIMIT (seconds)."""
    name = "time"
    if not steps or limit is None:
        missing = "limit" if steps else "steps"
        hint = 'with = { steps = { stop = "2m", revert = "5m", restore = "5m" }, limit = "15m" }'
        return Point(name, Verdict.UNKNOWN, f"no {missing} given, so nobody knows whether it fits", hint)
    needed = sum(steps.values())
    parts = ", ".join(f"{step} {format_duration(seconds)}" for step, seconds in steps.items())
    seen = f"{format_duration(needed)} of {format_duration(limit)} ({parts})"
    if needed > limit:
        return Point(name, Verdict.FAIL, seen, "make a step shorter, or agree on a longer time to be down")
    return Point(name, Verdict.PASS, seen)


def outcome_of_points(points: list[Point]) -> Outcome:
    """One that does not hold fails; one that could not be looked at leaves the whole unknown."""
    evidence = {one.name: f"{one.verdict}: {one.seen}" for one in points}
    expected = "a way back in every point: " + ", ".join(one.name for one in points)
    bad = [one for one in points if one.verdict is Verdict.FAIL]
    blind = [one for one in points if not one.verdict.is_known]
    doubtful = [one for one in points if one.verdict is Verdict.WARN]
    told = "; ".join(f"{one.name}: {one.seen}" for one in (*bad, *blind, *doubtful))
    if bad:
        return Outcome.failed(told, expected=expected, evidence=evidence, hint=bad[0].hint)
    if blind or not points:
        return Outcome.unknown(told, evidence=evidence, hint=blind[0].hint if blind else "")
    if doubtful:
        return Outcome.warned(told, expected=expected, evidence=evidence, hint=doubtful[0].hint)
    return Outcome.passed(f"all {len(points)} points hold", expected=expected, evidence=evidence)


@check("rollback.ready", timeout="5m", fresh_for="1h")
def is_ready(
    ctx: Context,
    *,
    backup: str = "",
    newer_than: Seconds = Seconds(24 * 3600.0),  # noqa: B008 (immutable)
    commit: str = "HEAD",
    folder: Path = Path(),
    remote: str = "",
    branch: str = "",
    previous_deploy: str = "",
    steps: dict[str, Seconds] | None = None,
    limit: Seconds | None = None,
) -> Outcome:
    """Whether a rollback would work now: the backup, the revert, the deploy to go back to, and the time it takes.

    BACKUP (an item's id, a file, or a folder: its newest) must be what its manifest says and NEWER_THAN. The deploy
    COMMIT (as for git.revert; with REMOTE and BRANCH what is still to be pushed) must revert without a conflict:
    tried in a work tree that is thrown away. PREVIOUS_DEPLOY is an item that looks at that deploy, or its id as
    written down. STEPS say how long each part of the way back takes; together no longer than LIMIT.
    """
    points = [backup_point(ctx, backup, newer_than, datetime.now(UTC))]
    points.append(revert_point(ctx, folder, commit, remote, branch))
    points.append(previous_deploy_point(ctx, previous_deploy))
    points.append(time_point(steps, limit))
    return outcome_of_points(points)
