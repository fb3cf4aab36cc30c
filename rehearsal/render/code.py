"""The application's code: its repository, the one that is pushed to, and what is checked out of that to run."""

import io
import os
import shutil
import subprocess
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

NO_HOOKS = ("-c", "core.hooksPath=/dev/null")
REMOTE = "render"


@dataclass(frozen=True)
class Commit:
    sha: str
    message: str
    at: str


def git(folder: Path, *words: str, options: Sequence[str] = ()) -> bytes:
    """What `git WORDS` says in FOLDER. Raises subprocess.CalledProcessError."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    argv = ["git", *options, "-C", str(folder), *words]
    return subprocess.run(argv, check=True, capture_output=True, timeout=60, env=env).stdout


def prepare(app: Path, bare: Path, before: Path) -> None:
    """Two commits in APP, which holds the newer state: the first is that with the files of BEFORE, and is pushed to
    BARE, the remote `render`; the second, the move to PostgreSQL, is yet to be pushed.

    Raises subprocess.CalledProcessError. What a cut-short call left is thrown away.
    """
    for left in (app / ".git", bare):
        shutil.rmtree(left, ignore_errors=True)
    git(app.parent, "init", "-q", "--bare", "-b", "main", bare.name)
    git(bare, "config", "gc.auto", "0")
    git(app, "init", "-q", "-b", "main")
    git(app, "config", "user.name", "SkyModder")
    git(app, "config", "user.email", "dev@skymodder.example")
    git(app, "remote", "add", REMOTE, str(bare))
    now = {path.name: (app / path.name).read_bytes() for path in before.iterdir()}
    for name in now:
        shutil.copyfile(before / name, app / name)
    _commit(app, "SkyModder")
    git(app, "push", "-q", "-u", REMOTE, "main", options=NO_HOOKS)
    for name, content in now.items():
        (app / name).write_bytes(content)
    _commit(app, "Migrate to PostgreSQL for persistent storage")


def _commit(app: Path, message: str) -> None:
    options = ("-c", "commit.gpgsign=false", *NO_HOOKS)
    git(app, "add", "-A", options=options)
    git(app, "commit", "-q", "-m", message, options=options)


def tip(bare: Path, branch: str) -> str | None:
    """The newest commit of BRANCH. Reads files alone: it is asked twice a second."""
    try:
        return (bare / "refs" / "heads" / branch).read_text().strip()
    except FileNotFoundError:
        pass
    try:
        for line in (bare / "packed-refs").read_text().splitlines():
            if line.endswith(f" refs/heads/{branch}"):
                return line.split()[0]
    except FileNotFoundError:
        pass
    return None


def commit_of(bare: Path, name: str) -> Commit | None:
    """The commit called NAME (a hash or its beginning); None when it was not pushed."""
    if not name or not all(letter in "0123456789abcdef" for letter in name):
        return None
    try:
        said = git(bare, "show", "-s", "--format=%H%x00%cI%x00%B", f"{name}^{{commit}}").decode(errors="replace")
    except subprocess.CalledProcessError:
        return None
    sha, at, message = said.split("\0", 2)
    return Commit(sha, message.strip(), at)


def checkout(bare: Path, sha: str, folder: Path) -> None:
    """The files of commit SHA in FOLDER, which is made anew."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with tarfile.open(fileobj=io.BytesIO(git(bare, "archive", sha))) as files:
        if hasattr(tarfile, "data_filter"):
            files.extractall(folder, filter="data")
        else:  # before 3.11.4; what git wrote of our own commit holds no harm
            files.extractall(folder)  # noqa: S202


def blueprint(bare: Path, sha: str) -> dict[str, Any]:
    """render.yaml of commit SHA; empty when it has none. Raises ValueError when it cannot be read."""
    try:
        text = git(bare, "show", f"{sha}:render.yaml")
    except subprocess.CalledProcessError:
        return {}
    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(f"render.yaml: {error}") from error
    return found if isinstance(found, dict) else {}


def synced_env(plan: dict[str, Any], name: str, env: dict[str, str], databases: dict[str, str]) -> dict[str, str]:
    """ENV after a Blueprint sync of the service NAME: what PLAN says is set, what it does not name is kept.

    DATABASES are connection strings by name. Raises ValueError for a database that PLAN does not declare.
    """
    services = [one for one in plan.get("services") or [] if isinstance(one, dict) and one.get("name") == name]
    declared = {one.get("name") for one in plan.get("databases") or [] if isinstance(one, dict)}
    out = dict(env)
    for variable in services[0].get("envVars") or [] if services else []:
        key = variable.get("key")
        if "value" in variable:
            out[key] = str(variable["value"])
        elif "fromDatabase" in variable:
            database = variable["fromDatabase"]["name"]
            if database not in declared or database not in databases:
                raise ValueError(f"render.yaml: {key} is from the database {database}, which is not declared")
            out[key] = databases[database]
    return out
