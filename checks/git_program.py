"""The git program, run so that nothing of this process leaks into it and nothing of it waits for a person."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from urllib.parse import unquote, urlsplit, urlunsplit

from checks.contract import Completed, Context, Stopped
from checks.processes import Kept, supervise
from state.clean import clean
from state.durations import format_duration
from state.redact import Redactor

LOCAL = 120.0  # seconds that a command without network may take
NETWORK = 120.0
_AFTERWARDS = 20.0  # for taking away what was made, also after the deadline

# No prompt, no editor, no pager, no translated text, no lock for a look.
_ENVIRONMENT = {
    "GIT_TERMINAL_PROMPT": "0",
    "GCM_INTERACTIVE": "never",
    "SSH_ASKPASS_REQUIRE": "never",
    "GIT_PAGER": "cat",
    "GIT_EDITOR": "true",
    "GIT_SEQUENCE_EDITOR": "true",
    "GIT_MERGE_AUTOEDIT": "no",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_LITERAL_PATHSPECS": "0",
    "LC_ALL": "C",
}
_CONFIG = {
    "core.fsmonitor": "false",
    "core.askPass": "",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "color.ui": "false",
    "advice.detachedHead": "false",
    "submodule.recurse": "false",
}
# What git says when it could not get to the remote, and what to do then.
_BLIND = (
    ("could not resolve host", "the host is not known: see the network and the remote's URL"),
    ("permission denied (", "the key is not accepted: try ssh -T as the user who runs this"),
    ("host key verification failed", "connect once by hand, and compare the host's key"),
    ("could not read username", "no credentials without a prompt: set a credential helper, or a deploy key"),
    ("could not read password", "no credentials without a prompt: set a credential helper, or a deploy key"),
    ("terminal prompts disabled", "no credentials without a prompt: set a credential helper, or a deploy key"),
    ("authentication failed", "the credentials are not accepted: renew the token, or the key"),
    ("repository not found", "is the URL right, and may this user see it?"),
    ("does not appear to be a git repository", "is the remote's URL right?"),
    ("the requested url returned error", "may this user write there? is the token still valid?"),
    ("connection", "the remote does not answer: see the network"),
    ("timed out", "the remote does not answer: see the network"),
)


class GitProblem(Exception):
    """git could not do or say what was asked: why, and what to do next."""

    def __init__(self, message: str, hint: str) -> None:
        self.message, self.hint = message, hint
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Git:
    """A work tree and the program that answers for it. `config` and `environment` are added for every command."""

    ctx: Context
    folder: Path
    config: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    redact: Redactor = field(default_factory=Redactor)

    def run(
        self, *arguments: str, timeout: float = LOCAL, log: bool = False, env: Mapping[str, str] | None = None
    ) -> Completed:
        """`git ARGUMENTS`, to its end. Raises TimeoutError, Stopped, GitProblem when there is no git."""
        return self._run(arguments, timeout, log, env or {}, self.ctx.cancelled, self.ctx.deadline)

    def run_afterwards(self, *arguments: str) -> Completed:
        """The same for taking away what was made: also when the check was cancelled, or its time is over."""
        return self._run(arguments, _AFTERWARDS, False, {}, Event(), None)

    def ask(self, *arguments: str, timeout: float = LOCAL, env: Mapping[str, str] | None = None) -> str:
        """What `git ARGUMENTS` says. Raises GitProblem with its reason when it fails, and as `run` does."""
        done = self.run(*arguments, timeout=timeout, env=env)
        if done.exit_code != 0:
            raise problem(done, self.redact, f"git {arguments[0]}")
        return done.stdout

    def content(self, *arguments: str, timeout: float = LOCAL) -> bytes:
        """What `git ARGUMENTS` prints, whole and as it is, however much: a file. Raises as `ask` does."""
        pieces: list[bytes] = []
        done = self._run(arguments, timeout, False, {}, self.ctx.cancelled, self.ctx.deadline, pieces.append)
        if done.exit_code != 0:
            raise problem(done, self.redact, f"git {arguments[0]}")
        return b"".join(pieces)

    def _run(
        self,
        arguments: tuple[str, ...],
        timeout: float,
        log: bool,
        env: Mapping[str, str],
        stop: Event,
        deadline: float | None,
        whole: Callable[[bytes], None] | None = None,
    ) -> Completed:
        out, err = Kept(), Kept()

        def heard(line: bytes) -> None:
            err.add(line)
            if log:
                self.ctx.log(self.redact(clean(line.decode(errors="replace"))))

        settings = [part for key, value in {**_CONFIG, **self.config}.items() for part in ("-c", f"{key}={value}")]
        until = time.monotonic() + timeout
        given = {**_ENVIRONMENT, **self.environment, **env}
        ended = supervise(
            [*_without_inherited(given), _program(), "--no-pager", *settings, *arguments],
            on_stdout=whole or out.add,
            on_stderr=heard,
            stop=stop,
            deadline=until if deadline is None else min(until, deadline),
            cwd=self.folder,
            env=given,
        )
        if ended.why == "deadline":
            raise TimeoutError(f"git {arguments[0]} did not end within {format_duration(ended.seconds)}")
        if ended.why == "stopped":
            raise Stopped("cancelled")
        return Completed(ended.exit_code, out.text(), err.text(), ended.seconds)


def open_repository(ctx: Context, folder: Path) -> Git:
    """The repository whose work tree FOLDER lies in. Raises GitProblem."""
    if not folder.is_dir():
        raise GitProblem(f"no folder {folder.name}", "folder is relative to the checklist")
    top = Git(ctx, folder).ask("rev-parse", "--show-toplevel").removesuffix("\n")
    git = Git(ctx, Path(top))
    ssh = git.run("config", "--get", "core.sshCommand").stdout.strip() or os.environ.get("GIT_SSH_COMMAND", "")
    own_program = not ssh and "GIT_SSH" in os.environ  # which takes no options of ours
    command = f"{ssh or 'ssh'} -oBatchMode=yes -oConnectTimeout=15"
    environment = {} if own_program else {"GIT_SSH_COMMAND": command}
    return Git(ctx, Path(top), environment=environment)


def problem(done: Completed, redact: Redactor, what: str) -> GitProblem:
    """Why DONE failed, in git's own words, and what to do about it."""
    said = redact(clean(done.stderr or done.stdout, keep="\n"))
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    telling = [line for line in lines if line.startswith(("fatal:", "error:", "remote:"))] or lines
    message = " / ".join(telling[:3]) or f"exit code {done.exit_code}"
    lower = said.lower()
    hint = next((hint for text, hint in _BLIND if text in lower), "read what git says in the log")
    if "not a git repository" in lower and "does not appear" not in lower:
        hint = "folder must name a git work tree"
    elif "dubious ownership" in lower:
        hint = "run it as the owner of the repository, or add it to safe.directory"
    elif "identity unknown" in lower or "tell me who you are" in lower:
        hint = "git config user.name and user.email, as the user who runs this"
    return GitProblem(f"{what}: {message}", hint)


def shown_url(url: str) -> str:
    """URL as it may be shown: without a password or token, without a query. Paths and user@host:path stay."""
    if "://" not in url:
        return url.partition("?")[0]
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return f"{url.partition('://')[0]}://…"
    # The user of an ssh URL is an account name; that of an https URL may be a token.
    user = f"{parts.username}@" if parts.username and parts.scheme == "ssh" else ""
    return urlunsplit((parts.scheme, f"{user}{host}{port}", parts.path, "", ""))


def configured(settings: Mapping[str, str], before: Mapping[str, str]) -> dict[str, str]:
    """SETTINGS as git reads them from the environment, behind those that BEFORE holds: a list of processes, which
    everybody may read, does not show them."""
    first = int(before.get("GIT_CONFIG_COUNT", "0"))
    given = {"GIT_CONFIG_COUNT": str(first + len(settings))}
    for number, (key, value) in enumerate(settings.items(), first):
        given |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return given


def without_passwords(urls: Iterable[str]) -> dict[str, str]:
    """The environment in which git asks URLS without the passwords in them, and is given these when it needs one.

    git hands a URL as it stands to the program that speaks HTTP for it, as an argument.
    """
    given: dict[str, str] = {}
    for number, url in enumerate(urls):
        try:
            parts = urlsplit(url)
        except ValueError:
            continue
        if parts.scheme not in ("http", "https") or not parts.password:
            continue
        host = parts.netloc.rpartition("@")[2]
        user, password = f"TMINUS_GIT_USER_{number}", f"TMINUS_GIT_PASSWORD_{number}"
        says = f'!f() {{ test "$1" = get && printf \'username=%s\\npassword=%s\\n\' "${user}" "${password}"; }}; f'
        place = f"{parts.scheme}://{host}"
        settings = {f"url.{parts._replace(netloc=host).geturl()}.insteadOf": url, f"credential.{place}.helper": says}
        given |= configured(settings, given)
        given |= {user: unquote(parts.username or ""), password: unquote(parts.password)}
    return given


def _program() -> str:
    found = shutil.which("git")
    if found is None:
        raise GitProblem("git is not installed, or not in PATH", "install git")
    return found


def _without_inherited(given: Mapping[str, str]) -> list[str]:
    """`env -u …` for the variables by which git would take another repository, index or identity than meant."""
    kept = {"GIT_SSH", "GIT_SSH_VARIANT", "GIT_EXEC_PATH", "GIT_SSL_CAINFO", "GIT_SSL_CAPATH", *given}
    drop = [name for name in os.environ if name.startswith(("GIT_", "SSH_ASKPASS")) and name not in kept]
    return ["env", *(part for name in drop for part in ("-u", name))] if drop else []
