"""The parts of these tests are found beside them; a hostile run is flown once."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from evil_server import evil_server
from hostile_run import Flown, fly

from tests.checks.conftest import database, look, server  # noqa: F401 (fixtures)


@pytest.fixture(scope="session")
def flown() -> Iterator[Flown]:
    # Where anybody may look into: what is closed to others is closed by the product.
    with tempfile.TemporaryDirectory(prefix="tm-") as base:
        project, runtime = Path(base, "hostile"), Path(base, "run")
        for folder in (Path(base), project, runtime):
            folder.mkdir(exist_ok=True)
            folder.chmod(0o755)
        run = fly(project, runtime)
        try:
            yield run
        finally:
            run.end()


@pytest.fixture(scope="session")
def evil() -> Iterator[tuple[int, list[dict[str, str]]]]:
    with evil_server() as running:
        yield running
