"""What every test may use: a place of its own for sockets, and a checklist folder with an engine on it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# A third of the default, where a test asks for nothing else: all of them run at every change. TMINUS_EXAMPLES=500 digs.
# No clock judges: a busy machine is not a wrong program.
settings.register_profile(
    "suite",
    max_examples=int(os.environ.get("TMINUS_EXAMPLES", "30")),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("suite")


@pytest.fixture(autouse=True)
def runtime_folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Sockets and logs of this test alone. Short, since a socket's path holds 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="tm-") as folder:
        monkeypatch.setenv("XDG_RUNTIME_DIR", folder)
        yield Path(folder)


@pytest.fixture(scope="session")
def repository() -> Path:
    """The project's folder."""
    return Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session", autouse=True)
def importable(repository: Path) -> None:
    """Programs that the tests start find the project wherever they are started."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(repository), before)))
