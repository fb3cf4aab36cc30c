"""The parts of these tests are found beside them; a hostile run is flown once."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from flown import Flown, fly


@pytest.fixture(scope="session")
def flown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flown]:
    with tempfile.TemporaryDirectory(prefix="tm-") as runtime:
        run = fly(tmp_path_factory.mktemp("hostile"), Path(runtime))
        try:
            yield run
        finally:
            run.end()
