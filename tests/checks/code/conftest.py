"""Small projects, and one scratch server for all that need a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from checks.contract import Context
from checks.scratch_server import throw_away_server

Write = Callable[..., Path]


@pytest.fixture
def write(look) -> Write:
    """write({"db.py": "…"}) -> the folder of the check, with these files in it."""

    def to(files: dict[str, str]) -> Path:
        for name, text in files.items():
            path = look.project / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(dedent(text))
        return look.project

    return to


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real PostgreSQL: the URL of a role that may create databases, with its driver named."""
    folder = tmp_path_factory.mktemp("server")
    with throw_away_server(Context(item="i", project=folder, artefacts=folder)) as url:
        yield url.replace("postgresql://", "postgresql+psycopg2://")
