"""Real repositories for the tests of git: a work tree with a bare remote, and a second person with a clone."""

from __future__ import annotations

import shutil
import subprocess
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory


class World:
    """`here` is the project's work tree on main with one commit, pushed to the bare repository `there`."""

    def __init__(self, here: Path, base: Path) -> None:
        self.here, self.there, self.base = here, base / "remote.git", base
        # Copied from one that was made once: a test should spend its time on what it tests.
        made = Path(_made().name)
        shutil.copytree(made / "here", here, dirs_exist_ok=True)
        shutil.copytree(made / "remote.git", self.there)
        config = here / ".git" / "config"
        config.write_text(config.read_text().replace(str(made / "remote.git"), str(self.there)))

    def git(self, *words: str, cwd: Path | None = None, ok: bool = True) -> str:
        done = subprocess.run(["git", *words], cwd=cwd or self.here, capture_output=True, text=True, check=False)
        assert done.returncode == 0 or not ok, done.stderr
        return done.stdout.strip()

    def person(self, where: Path) -> None:
        with (where / ".git" / "config").open("a") as config:
            config.write("[user]\nname = Anna\nemail = anna@example.org\n[commit]\ngpgsign = false\n")

    def commit(self, name: str, text: str, message: str, cwd: Path | None = None) -> str:
        where = cwd or self.here
        (where / name).parent.mkdir(parents=True, exist_ok=True)
        (where / name).write_text(text)
        self.git("add", "--", name, cwd=where)
        self.git("commit", "-q", "-m", message, cwd=where)
        return self.head(where)

    def merge(self, branch: str, name: str, text: str) -> str:
        """A commit on BRANCH, merged into main with a merge commit."""
        self.git("switch", "-q", "-c", branch)
        self.commit(name, text, f"On {branch}")
        self.git("switch", "-q", "main")
        self.git("merge", "-q", "--no-ff", "--no-edit", branch)
        return self.head()

    def head(self, cwd: Path | None = None) -> str:
        return self.git("rev-parse", "HEAD", cwd=cwd or self.here)

    def at_remote(self, branch: str = "main") -> str:
        return self.git("rev-parse", "-q", "--verify", f"refs/heads/{branch}", cwd=self.there, ok=False)

    def somebody_pushes(self) -> str:
        """A second person's commit, which the work tree here does not have."""
        other = self.base / "other"
        self.git("clone", "-q", str(self.there), str(other), cwd=self.base)
        self.person(other)
        sha = self.commit("other.py", "x = 1\n", "Somebody else", cwd=other)
        self.git("push", "-q", cwd=other)
        return sha

    def hook(self, name: str, text: str, where: Path) -> None:
        where.mkdir(parents=True, exist_ok=True)
        (where / name).write_text(f"#!/bin/sh\n{text}\n")
        (where / name).chmod(0o755)

    def snapshot(self) -> tuple[str, ...]:
        """All that a look must leave alone: HEAD, branches, index, status, work trees, and the index's bytes."""
        said = [self.git(*words) for words in (["for-each-ref"], ["status", "--porcelain"], ["worktree", "list"])]
        return (self.head(), *said, (self.here / ".git" / "index").read_bytes().hex())


@cache
def _made() -> TemporaryDirectory[str]:
    folder = TemporaryDirectory(prefix="git-world-")
    world = object.__new__(World)
    world.base = Path(folder.name)
    world.here, world.there = world.base / "here", world.base / "remote.git"
    world.here.mkdir()
    world.git("init", "-q", "--template=", "--bare", "-b", "main", str(world.there), cwd=world.base)
    world.git("init", "-q", "--template=", "-b", "main")
    world.person(world.here)
    world.git("remote", "add", "render", str(world.there))
    world.commit("app.py", "print('sqlite')\n", "First version")
    world.git("push", "-q", "render", "main")
    return folder
