"""One server for all tests of Render's API, with a state of its own for each."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from checks.contract import Context
from checks.render.client import Api
from tests.checks.render_shapes import TOKEN, Render, serving


@pytest.fixture(scope="session")
def _server() -> Iterator[tuple[str, ThreadingHTTPServer]]:
    with serving(Render()) as running:
        yield running


@pytest.fixture
def render(_server: tuple[str, ThreadingHTTPServer]) -> Render:
    """What the API knows in this test."""
    _server[1].render = Render()
    return _server[1].render


@pytest.fixture
def url(_server: tuple[str, ThreadingHTTPServer]) -> str:
    return _server[0]


@pytest.fixture
def given(render: Render, url: str) -> dict[str, Any]:
    """The parameters that every check of Render takes."""
    return {"token": "${render_token}", "api_url": url}


@pytest.fixture
def secret() -> dict[str, Any]:
    """The key, by the environment."""
    return {"targets": {"render_token": "${env:RENDER_API_KEY}"}, "environ": {"RENDER_API_KEY": TOKEN}}


@pytest.fixture
def waited(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Every wait of the client, in seconds; none of them is waited for."""
    waits: list[float] = []

    def pause(self: Api, seconds: float) -> bool:
        if self.seconds_left <= seconds:
            return False
        waits.append(seconds)
        return True

    monkeypatch.setattr(Api, "pause", pause)
    return waits


@pytest.fixture
def ctx(tmp_path: Path) -> Context:
    return Context(item="item", project=tmp_path, artefacts=tmp_path, cancelled=threading.Event())
