"""Where the project's SQLite file is, how its migrations are run, and by which interpreter."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tminus.survey.found import Found, files, shown, text_of

_MAGIC = b"SQLite format 3\x00"
_SQLITE_URL = re.compile(r"""sqlite(?:\+pysqlite)?:///([^"'\s?{}$%]+\.\w+)""")
_SUFFIXES = (".db", ".sqlite", ".sqlite3", ".db3")


@dataclass(frozen=True, slots=True)
class Migrations:
    """The folder of alembic.ini (WHERE it stands), and how they are run: by `alembic`, or by `flask db`."""

    folder: Path
    by: Literal["alembic", "flask"]
    where: str


def sqlite_files(root: Path) -> tuple[Found, ...]:
    """The SQLite files of the project: those that its code names; else those that lie where they usually do."""
    named = tuple(dict.fromkeys(_named(root)))
    return _once(named) or _once(tuple(_lying(root)))


def _once(found: tuple[Found, ...]) -> tuple[Found, ...]:
    by_value: dict[str, Found] = {}
    for one in found:
        by_value.setdefault(one.value, one)
    return tuple(by_value.values())


def _named(root: Path) -> Iterator[Found]:
    # Never .env: what stands there may be a secret, and is not read.
    for path in files(root, ".py", ".ini", ".cfg", ".toml", ".flaskenv"):
        if "test" in path.name or path.name == "checklist.toml":
            continue
        for number, line in enumerate(text_of(path).splitlines(), 1):
            for match in _SQLITE_URL.finditer(line):
                # Flask-SQLAlchemy looks for a relative path in instance/, SQLAlchemy where the program was started.
                for place in (root / "instance" / match[1], root / match[1], path.parent / match[1]):
                    if is_sqlite(place):
                        yield Found(shown(place, root), f"{shown(path, root)} line {number}: sqlite:///{match[1]}")
                        break


def _lying(root: Path) -> Iterator[Found]:
    for folder in (root / "instance", root, root / "data", root / "db"):
        if folder.is_dir():
            for path in sorted(folder.iterdir()):
                if path.suffix in _SUFFIXES and is_sqlite(path):
                    yield Found(shown(path, root), f"a SQLite file in {shown(folder, root) or '.'}/")


def is_sqlite(path: Path) -> bool:
    """Whether PATH is a file that begins as SQLite's do."""
    try:
        with path.open("rb") as file:
            return file.read(16) == _MAGIC
    except OSError:
        return False


def migrations(root: Path) -> Migrations | None:
    """The project's migrations; None when there is no alembic.ini."""
    found = sorted((p for p in files(root, ".ini", depth=3) if p.name == "alembic.ini"), key=lambda p: len(p.parts))
    if not found:
        return None
    ini = found[0]
    # Flask-Migrate's own layout, and no other: as `alembic.upgrade` knows it.
    if ini.parent == root / "migrations" and "current_app" in text_of(ini.with_name("env.py")):
        return Migrations(root, "flask", f"{shown(ini, root)}, whose env.py asks Flask for the application")
    return Migrations(ini.parent, "alembic", shown(ini, root))


def interpreter(root: Path) -> Found | None:
    """The interpreter of the project's virtual environment."""
    for name in (".venv", "venv", "env"):
        path = root / name / "bin" / "python"
        if path.exists() and (root / name / "pyvenv.cfg").is_file():
            return Found(f"{name}/bin/python", f"the virtual environment {name}/")
    return None
