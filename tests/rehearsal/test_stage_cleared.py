"""Clearing what a stage left: of this version, of another, or of one that was killed while it wrote its file."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from rehearsal.control import Layout
from rehearsal.postgres import PREFIX
from rehearsal.processes import Running, alive, spawn
from rehearsal.stage import StageError, clear_stage, load_stage


@dataclass(frozen=True)
class Left:
    """What a stage left: its folder, a process of its own that runs on, and where its PostgreSQL kept the data."""

    folder: Path
    process: Running
    home: Path


@pytest.fixture
def left(tmp_path: Path) -> Iterator[Left]:
    layout = Layout(tmp_path / "stage")
    for folder in (layout.run, layout.logs, layout.app, layout.folder / "deployments"):
        folder.mkdir(parents=True)
    (layout.app / "app.py").write_text("print('old')")
    (layout.folder / "deployments/record.toml").write_text("# what was done")
    with tempfile.TemporaryDirectory(prefix=PREFIX) as home:
        layout.postgres.write_text(f'{{"home": "{home}"}}')
        forever = [sys.executable, "-c", "import time; time.sleep(600)"]
        note = layout.run_file("visitors")
        process = spawn("visitors", forever, log=layout.logs / "log", env=os.environ, run_file=note)
        yield Left(layout.folder, process, Path(home))
        Path(home).mkdir(exist_ok=True)


@pytest.mark.parametrize("saved", ['{"folder": "stage", "of_another_version": true}', '{"folder": "sta', "[]"])
def test_a_stage_that_cannot_be_loaded_is_cleared_all_the_same_but_for_its_records(left: Left, saved: str) -> None:
    Layout(left.folder).stage.write_text(saved)
    with pytest.raises(StageError):
        load_stage(left.folder)
    clear_stage(left.folder, keep=("deployments",))
    assert not alive(left.process)
    assert [path.name for path in left.folder.iterdir()] == ["deployments"]
    assert (left.folder / "deployments/record.toml").exists() and not left.home.exists()


def test_nothing_is_removed_outside_the_stage(left: Left, tmp_path: Path) -> None:
    elsewhere = tmp_path / "precious"
    elsewhere.mkdir()
    (elsewhere / "file").touch()
    (left.folder / "link").symlink_to(elsewhere)
    Layout(left.folder).postgres.write_text(f'{{"home": "{elsewhere}"}}')
    Layout(left.folder).stage.write_text("{}")
    clear_stage(left.folder)
    assert not list(left.folder.iterdir()) and (elsewhere / "file").exists()


def test_a_folder_that_is_no_stage_is_left_alone(left: Left) -> None:
    before = sorted(left.folder.rglob("*"))
    clear_stage(left.folder)
    assert sorted(left.folder.rglob("*")) == before and alive(left.process)
    Layout(left.folder).stage.write_text("{}")
    clear_stage(left.folder)
