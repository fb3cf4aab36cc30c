"""A record's commit to the application's repository: the record alone, and whatever else is staged stays as it is."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from checks.git_program import Git, GitProblem
from state.clean import clean
from state.durations import format_duration
from tminus.commit_message import commit_message
from tminus.verifying import Unreadable, Verified, verify
from tminus.witness import repository_of

_LOOK = 30.0
COMMIT = 120.0  # seconds, hooks and the signature included
_SHOWN = 5  # lines of what git or a hook says
# What the committer may have set in the environment is theirs to say, as for any other commit.
_IDENTITY = (
    *(f"GIT_{who}_{what}" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL", "DATE")),
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_SYSTEM",
    "GIT_CONFIG_NOSYSTEM",
)
# In the middle of one of these a commit would become part of it, or cannot be of one file.
_UNDER_WAY = {
    "MERGE_HEAD": ("a merge", "end it with git merge --continue or --abort"),
    "CHERRY_PICK_HEAD": ("a cherry-pick", "end it with git cherry-pick --continue or --abort"),
    "REVERT_HEAD": ("a revert", "end it with git revert --continue or --abort"),
    "rebase-merge": ("a rebase", "end it with git rebase --continue or --abort"),
    "rebase-apply": ("a rebase", "end it with git rebase --continue or --abort"),
    "BISECT_LOG": ("a bisect", "end it with git bisect reset"),
}


class NotCommitted(Exception):
    """The record was not committed, and nothing was changed: why, and what mends it."""

    def __init__(self, why: str, mend: str) -> None:
        self.why, self.mend = why, mend
        super().__init__(f"{why}: {mend}")


class Committed(msgspec.Struct, frozen=True):
    """The commit that holds the record as it is. `new` is false when it was there already: nothing was to be done.
    `also` is what a hook of the repository put into it besides."""

    sha: str
    subject: str
    new: bool = True
    also: tuple[str, ...] = ()


def commit_record(path: Path, *, extra: str = "") -> Committed:
    """Commit the record at PATH, and nothing else, with a message that sums it up; EXTRA words are added to it.

    Signed when git is set to sign, and never otherwise; the hooks run. What is staged stays staged. Waits for git, at
    most COMMIT seconds for the commit itself. Raises NotCommitted.
    """
    found = _believed(path)
    try:
        git = _with_identity(repository_of(path))
        name = path.resolve().relative_to(git.folder.resolve()).as_posix()
        only = f":(literal){name}"
        _must_be_possible(git, name)
        tracked = bool(git.ask("ls-files", "--", only, timeout=_LOOK).strip())
        if tracked and not git.ask("status", "--porcelain", "--", only, timeout=_LOOK).strip():
            return Committed(*_latest(git, "--", only), new=False)
        message = commit_message(found.text.state, found.text.events, name, extra=extra)
        return _committed(git, name, message, tracked=tracked)
    except GitProblem as problem:
        raise NotCommitted(problem.message, problem.hint) from None
    except TimeoutError as error:
        raise NotCommitted(str(error), "is the disk, or another git, very slow?") from None
    except OSError as error:
        raise NotCommitted(
            f"git cannot be run: {error.strerror}", "see that git is installed and may be run"
        ) from None


def _believed(path: Path) -> Verified:
    try:
        found = verify(path, artefacts=False)
    except Unreadable as error:
        raise NotCommitted(str(error), "name a record that is there") from None
    if not found.holds:
        raise NotCommitted(f"{path.name} does not hold", f"see tminus record verify {path.name}")
    if not found.text.events:
        raise NotCommitted(f"{path.name} is only a log yet", "the engine writes the record in a moment; try again")
    return found


def _with_identity(git: Git) -> Git:
    own = {name: os.environ[name] for name in _IDENTITY if name in os.environ}
    return Git(git.ctx, git.folder, environment={**git.environment, **own})


def _must_be_possible(git: Git, name: str) -> None:
    """Raises NotCommitted where a commit of one file cannot be, or would go where nobody looks."""
    signs = [word for sign in _UNDER_WAY for word in ("--git-path", sign)]
    places = git.ask("rev-parse", *signs, timeout=_LOOK).splitlines()
    for place, (what, mend) in zip(places, _UNDER_WAY.values(), strict=True):
        if (git.folder / place).exists():
            raise NotCommitted(f"{what} is under way in the repository", mend)
    if git.run("symbolic-ref", "-q", "HEAD", timeout=_LOOK).exit_code != 0:
        raise NotCommitted("no branch is checked out (detached HEAD)", "git switch BRANCH, then commit it")
    ignored = git.run("check-ignore", "-v", "--", name, timeout=_LOOK)
    if ignored.exit_code == 0:
        rule = clean(ignored.stdout.partition("\t")[0].strip())
        raise NotCommitted(f"{name} is ignored ({rule})", "take that line out, so that records may be committed")


def _committed(git: Git, name: str, message: str, *, tracked: bool) -> Committed:
    only = f":(literal){name}"
    if not tracked:  # known to git without its content: what is committed is taken from the file
        git.ask("add", "--intent-to-add", "--", only, timeout=_LOOK)
    done = False
    try:
        said = git.run("commit", "--quiet", "--only", f"--message={message}", "--", only, timeout=COMMIT)
        done = said.exit_code == 0
        if not done:
            raise _refused(git.redact(said.stderr or said.stdout).splitlines())
    except TimeoutError:
        why = f"git commit did not end within {format_duration(COMMIT)}"
        raise NotCommitted(why, _WAITS) from None
    finally:
        if not done and not tracked:
            git.run_afterwards("rm", "--cached", "--quiet", "--force", "--ignore-unmatch", "--", only)
    listed = git.ask("diff-tree", "--root", "--no-commit-id", "--name-only", "-r", "-z", "HEAD", timeout=_LOOK)
    return Committed(*_latest(git), also=tuple(clean(one) for one in listed.split("\0") if one not in ("", name)))


def _latest(git: Git, *only: str) -> tuple[str, str]:
    """The sha and the subject of the last commit."""
    sha, _, subject = git.ask("log", "-n1", "--format=%H %s", *only, timeout=_LOOK).strip().partition(" ")
    return sha, clean(subject)


_WAITS = (
    "a hook hangs, or the key waits for its passphrase: unlock it in a terminal (echo | gpg --clearsign, or ssh-add) "
    "and try again"
)
# What git says, in lower case, and what mends it.
_MENDS = (
    ("gpg failed to sign", _WAITS),
    ("failed to write commit object", _WAITS),
    ("tell me who you are", "git config user.name and user.email, as the user who runs this"),
    ("identity unknown", "git config user.name and user.email, as the user who runs this"),
    ("index.lock", "another git is at work: wait for it, then try again"),
    ("permission denied", "may this user write in the repository?"),
)


def _refused(lines: list[str]) -> NotCommitted:
    said = [clean(line).strip() for line in lines if line.strip()][:_SHOWN]
    text = " / ".join(said)
    mend = next((mend for sign, mend in _MENDS if sign in text.lower()), "mend what git or its hook says, try again")
    return NotCommitted(f"git refused: {text or 'it did not say why'}", mend)
