"""What a repository says of itself: branch, commits, changes, and what its remote has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from checks.contract import Context
from checks.git_program import NETWORK, Git, GitProblem, configured, problem, shown_url, without_passwords
from state.redact import Redactor

_HALFWAY = {
    "MERGE_HEAD": "a merge",
    "REVERT_HEAD": "a revert",
    "CHERRY_PICK_HEAD": "a cherry-pick",
    "rebase-merge": "a rebase",
    "rebase-apply": "a rebase",
    "BISECT_LOG": "a bisect",
}
_SHOWN = 10
MOST = 200  # commits that are listed


@dataclass(frozen=True, slots=True)
class Commit:
    """One commit; `subject` is the first line of its message, `parents` are their shas."""

    sha: str
    subject: str
    parents: tuple[str, ...]

    @property
    def short(self) -> str:
        """The first characters of its sha, and its subject."""
        return f"{self.sha[:10]} {self.subject}"


@dataclass(frozen=True, slots=True)
class Remote:
    """A configured remote: its name, where a push goes (`url`, to be shown; `urls`, with what is secret in them), and
    whether a fetch comes from there too (`one_place`)."""

    name: str
    url: str
    urls: tuple[str, ...]
    one_place: bool


def head_of(git: Git) -> tuple[str, str]:
    """(branch, sha) of HEAD; the branch is empty when HEAD is detached. Raises GitProblem without a commit."""
    branch = git.run("symbolic-ref", "--quiet", "HEAD").stdout.strip().removeprefix("refs/heads/")
    done = git.run("rev-parse", "--verify", "--quiet", "HEAD^{commit}")
    if done.exit_code != 0:
        raise GitProblem("there is no commit yet", "commit what should be deployed")
    return branch, done.stdout.strip()


def commit_named(git: Git, name: str) -> str:
    """The sha of the commit that NAME means. Raises GitProblem."""
    done = git.run("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    if done.exit_code != 0 or not done.stdout.strip():
        raise GitProblem(f"no commit {name!r} in this repository", "name a commit, or an item that has pushed one")
    return done.stdout.strip()


def changes_of(git: Git, ctx: Context, ignore: Sequence[Path] = ()) -> tuple[str, ...]:
    """What is not committed, each as "M path"; "? path" is not known to git. Without the paths IGNORE and without the
    record's own folder, which grows while the run goes on. What is changed inside a submodule is its own business."""
    spared = [*ignore, ctx.artefacts]
    if ctx.artefacts.suffix == ".files":  # beside the record of the run
        spared.append(ctx.artefacts.parent)
    inside = [one for path in spared if (one := _inside(git, path))]
    exclude = [f":(top,exclude,literal){one}" for one in inside]
    said = git.ask(
        *("status", "--porcelain=v1", "-z", "--untracked-files=normal", "--ignore-submodules=dirty"),
        *("--no-renames", "--", ":(top)", *exclude),
    )
    return tuple(f"{entry[:2].replace('??', '?').strip()} {entry[3:]}" for entry in said.split("\0") if entry)


def halfway_through(git: Git) -> str:
    """What git is in the middle of ("a merge"); empty when nothing is."""
    asked = [word for name in _HALFWAY for word in ("--git-path", name)]
    paths = git.ask("rev-parse", *asked).splitlines()
    there = (what for path, what in zip(paths, _HALFWAY.values(), strict=False) if (git.folder / path).exists())
    return next(there, "")


def remote_of(git: Git, name: str) -> tuple[Git, Remote]:
    """The configured remote NAME, and the same git with its secrets known to the redactor. Raises GitProblem."""
    known = git.ask("remote").split("\n")
    if name not in known:
        names = ", ".join(one for one in known if one) or "none"
        raise GitProblem(f"no remote {name!r}", f"known here: {names}; git remote add {name!r} <url>")
    urls = tuple(git.ask("remote", "get-url", "--push", "--all", "--", name).splitlines())
    from_ = tuple(git.ask("remote", "get-url", "--all", "--", name).splitlines())
    shown = " and ".join(shown_url(url) for url in urls)
    knowing = Redactor.knowing(url for url in urls if url != shown_url(url))
    own = Git(git.ctx, git.folder, git.config, {**git.environment, **without_passwords(urls)}, knowing)
    return own, Remote(name, shown, urls, urls == from_ and len(urls) == 1)


def sha_at(git: Git, remote: Remote, branch: str, timeout: float = NETWORK) -> str:
    """The commit of BRANCH as the remote itself has it now; empty when it has no such branch. Raises GitProblem.

    Asked where a push goes, which may be another place than where a fetch comes from. Such a URL goes by the
    environment: it may hold a token, and a list of processes is read by everybody.
    """
    ref = f"refs/heads/{branch}"
    found: set[str] = set()
    for url in remote.urls:
        asked = configured({"remote.tminus-asks.url": url}, git.environment)
        whom, env = (remote.name, {}) if remote.one_place else ("tminus-asks", asked)
        done = git.run("ls-remote", "--heads", "--", whom, ref, timeout=timeout, env=env)
        if done.exit_code != 0:
            raise problem(done, git.redact, f"{remote.name} ({remote.url})")
        lines = (line.split("\t") for line in done.stdout.splitlines())
        found.add(next((sha for sha, name in lines if name == ref), ""))
    if len(found) > 1:
        raise GitProblem(f"the URLs of {remote.name} do not have the same {branch}", "push to each by hand")
    return found.pop() if found else ""


def is_there(git: Git, sha: str) -> bool:
    """Whether the commit SHA is in this repository."""
    return git.run("cat-file", "-e", f"{sha}^{{commit}}").exit_code == 0


def contains(git: Git, later: str, earlier: str) -> bool:
    """Whether EARLIER is LATER or before it. Raises GitProblem."""
    done = git.run("merge-base", "--is-ancestor", earlier, later)
    if done.exit_code not in (0, 1):
        raise problem(done, git.redact, "git merge-base")
    return done.exit_code == 0


def commits_between(git: Git, before: str, after: str, most: int = MOST) -> tuple[Commit, ...]:
    """The commits of AFTER that BEFORE does not have (empty: all), newest first, MOST of them. Raises GitProblem."""
    which = [after, *([f"^{before}"] if before else [])]
    said = git.ask("log", "--no-show-signature", "-z", "-n", str(most), "--format=%H%x09%P%x09%s", *which, "--")
    found = []
    for entry in said.split("\0"):
        sha, _, rest = entry.partition("\t")
        parents, _, subject = rest.partition("\t")
        if sha:
            found.append(Commit(sha, subject, tuple(parents.split())))
    return tuple(found)


def count_between(git: Git, before: str, after: str) -> int:
    """How many commits of AFTER BEFORE does not have (empty: all). Raises GitProblem."""
    return int(git.ask("rev-list", "--count", after, *([f"^{before}"] if before else []), "--"))


def is_shallow(git: Git) -> bool:
    """Whether the history is cut off."""
    return git.ask("rev-parse", "--is-shallow-repository").strip() == "true"


def valid_branch(git: Git, name: str) -> bool:
    """Whether NAME can be the name of a branch (git check-ref-format)."""
    return "\0" not in name and git.run("check-ref-format", f"refs/heads/{name}").exit_code == 0


def counted(number: int) -> str:
    """NUMBER of commits, in words."""
    return "1 commit" if number == 1 else f"{number:,} commits"


def listed(commits: Sequence[Commit], count: int) -> tuple[str, ...]:
    """The first of COUNT commits for a plan, a line each, the newest first."""
    more = [f"  … and {count - _SHOWN} older ones"] if count > _SHOWN else []
    return (*(f"  {one.short}" for one in commits[:_SHOWN]), *more)


def _inside(git: Git, path: Path) -> str:
    """PATH from the top of the repository; empty when it is the top itself, or lies elsewhere."""
    try:
        found = path.resolve().relative_to(git.folder.resolve()).as_posix()
    except (ValueError, OSError):
        return ""
    return "" if found == "." else found
