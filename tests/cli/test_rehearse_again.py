"""What a rehearsal does with the one that was left in its folder: it goes on, or says why it begins again."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path

import pytest

from rehearsal.control import Layout
from rehearsal.stage import Stage
from state.events import Event
from state.record_file import RecordFile
from tminus.cli.rehearse_stage import _goes_on

NOW = "2026-11-22T22:00:00.000000Z"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a stage of this version, with the record of a rehearsal that was left."""
    layout = Layout(tmp_path)
    layout.stage.write_text(json.dumps({field.name: "x" for field in fields(Stage)}))
    (tmp_path / "deployments").mkdir()
    written(tmp_path, "note")
    return tmp_path


def written(folder: Path, kind: str) -> None:
    """Write an event of KIND to the record."""
    record = RecordFile(folder / "deployments/rehearsal.toml")
    record.append(Event(seq=0, utc=NOW, kind=kind, actor="ada", uid=1000, prev="", reason="so"))
    record.close()


def test_one_that_was_left_unfinished_goes_on_and_one_that_was_closed_does_not(folder: Path) -> None:
    assert _goes_on(folder)
    written(folder, "run.closed")
    assert not _goes_on(folder)


@pytest.mark.parametrize(
    ("saved", "why"), [('{"folder": "x"}', "is of another version"), ('{"fol', "there is no stage in")]
)
def test_a_stage_that_cannot_be_taken_up_is_begun_again_and_it_says_so(
    folder: Path, saved: str, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Layout(folder).stage.write_text(saved)
    assert not _goes_on(folder)
    told = capsys.readouterr().err
    assert why in told and "beginning again, the record of the rehearsal that was left here stays" in told
