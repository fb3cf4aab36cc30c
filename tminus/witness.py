"""git as the witness of a record: whether what was committed of it is how it still begins.

A record whose every digest was made anew is sound in itself. What was committed before is not, unless the history of
the repository was rewritten as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from checks.contract import Context
from checks.git_program import Git, GitProblem, open_repository
from state.events import Event
from state.verifying import NoRecord, Place, examine, first_difference

_COMMITS = 20  # of the record, the latest ones: each is read
_SECONDS = 30.0


class Witness(msgspec.Struct, frozen=True, kw_only=True):
    """What git says. `commits` hold the record and were compared; `against` is the newest that says otherwise, and
    `first` the event in question, where it can be named. `others` are older commits of another run under the same
    name. `silent` is why nothing can be said."""

    commits: int = 0
    committed: int = 0
    against: str = ""
    why: str = ""
    first: Place | None = None
    others: int = 0
    silent: str = ""

    @property
    def holds(self) -> bool:
        """Whether no commit speaks against the record."""
        return not self.against


def repository_of(path: Path) -> Git:
    """The repository whose work tree PATH, a file, lies in. Raises GitProblem."""
    folder = path.resolve().parent
    return open_repository(Context(item="record", project=folder, artefacts=folder), folder)


def witness(path: Path, events: Sequence[Event]) -> Witness:
    """What the commits of the record at PATH say about its EVENTS: they may have gone on, and nothing else."""
    try:
        git = repository_of(path)
        name = path.resolve().relative_to(git.folder.resolve()).as_posix()
        if git.run("rev-parse", "-q", "--verify", "HEAD^{commit}", timeout=_SECONDS).exit_code != 0:
            return Witness(silent="the repository has no commit yet")
        said = git.ask("log", f"-n{_COMMITS}", "--format=%H", "HEAD", "--", f":(literal){name}", timeout=_SECONDS)
        commits = said.split()
        if not commits:
            return Witness(silent="it is not committed yet: nobody but its writer vouches for it")
        return _compared(git, name, commits, events)
    except (GitProblem, TimeoutError, OSError) as error:
        return Witness(silent=_short(error))


def _compared(git: Git, name: str, commits: Sequence[str], events: Sequence[Event]) -> Witness:
    count = newest = others = 0
    for number, sha in enumerate(commits):
        if git.run("cat-file", "-e", f"{sha}:{name}", timeout=_SECONDS).exit_code != 0:
            continue  # the commit that took it away
        committed, why = _committed(git, sha, name)
        if why:
            if number == 0:
                return Witness(against=sha[:12], why=f"what is committed there does not hold: {why}")
            continue  # damage that a later commit mended: it vouches for nothing
        if number and events and committed and committed[0].utc != events[0].utc:
            others += 1
            continue
        count, newest = count + 1, max(newest, len(committed))
        if first := first_difference(committed, events):
            return Witness(
                commits=count, committed=newest, against=sha[:12], why=str(first), first=first, others=others
            )
    if not count:
        return Witness(silent="no commit holds it any more")
    return Witness(commits=count, committed=newest, others=others)


def _committed(git: Git, sha: str, name: str) -> tuple[tuple[Event, ...], str]:
    """The events of the record in a commit, and what speaks against that record itself."""
    try:
        found = examine(git.content("cat-file", "blob", f"{sha}:{name}", timeout=_SECONDS).decode())
    except (NoRecord, UnicodeDecodeError) as error:
        return (), str(error)
    return found.events, str(found.broken or (found.edited[0] if found.edited else found.toml))


def _short(error: Exception) -> str:
    text = str(error)
    if "not a git repository" in text:
        return "it lies in no git repository"
    return text if isinstance(error, GitProblem | TimeoutError) else "its repository could not be looked at"
