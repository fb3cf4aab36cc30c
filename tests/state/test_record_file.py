"""The record on disk: one writer, nothing acknowledged lost, nothing changed unnoticed."""

from __future__ import annotations

import math
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from state_strategies import event

from state.events import Event
from state.record import RecordError
from state.record_file import RecordBusy, RecordFile, read_record

Open = Callable[[], RecordFile]


def crash(record: RecordFile) -> None:
    """Let go of RECORD as a killed process does: no checkpoint, no tidying up."""
    os.close(record._wal)


def test_appended_events_are_there_after_a_crash_without_any_checkpoint(opened: Open, small_run: list[Event]) -> None:
    record = opened()
    written = [record.append(one) for one in small_run]
    crash(record)
    again = opened()
    assert not again.path.exists()
    assert again.state.last == written[-1]
    assert again.is_behind


def test_closing_folds_the_log_into_the_record_and_takes_it_away(opened: Open, small_run: list[Event]) -> None:
    record = opened()
    written = [record.append(one) for one in small_run]
    record.close()
    assert not record.wal_path.exists()
    assert read_record(record.path)[1] == written


def test_events_between_snapshot_and_saved_stay_in_the_log(opened: Open, small_run: list[Event]) -> None:
    record = opened()
    record.append(small_run[0])
    state, lines = record.snapshot()
    late = record.append(small_run[1])
    record.save(state, lines)
    record.saved(lines)
    assert record.is_behind
    crash(record)
    assert opened().state.last == late


def test_every_flipped_byte_of_the_log_is_noticed(record_path: Path, opened: Open, small_run: list[Event]) -> None:
    record = opened()
    for one in small_run:
        record.append(one)
    crash(record)
    raw = record.wal_path.read_bytes()
    for at in range(len(raw)):
        for flip in {1 << at % 8, raw[at] ^ 0x0D or 1, raw[at] ^ 0x0A or 1}:
            record.wal_path.write_bytes(raw[:at] + bytes([raw[at] ^ flip]) + raw[at + 1 :])
            with pytest.raises(RecordError):
                RecordFile(record_path)
    record.wal_path.write_bytes(raw)
    assert RecordFile(record_path).state == record.state


def test_a_log_that_was_cut_keeps_every_whole_line(record_path: Path, opened: Open, small_run: list[Event]) -> None:
    record = opened()
    written = [record.append(one) for one in small_run]
    crash(record)
    raw = record.wal_path.read_bytes()
    for length in range(len(raw)):
        record.wal_path.write_bytes(raw[:length])
        again = RecordFile(record_path)
        whole = raw[:length].count(b"\n")
        assert again.state.last == (written[whole - 1] if whole else None)
        crash(again)


def test_a_record_with_a_changed_byte_is_refused_and_left_as_it_is(opened: Open, small_run: list[Event]) -> None:
    record = opened()
    for one in small_run:
        record.append(one)
    record.close()
    raw = bytearray(record.path.read_bytes())
    raw[raw.index("ü".encode())] = 0xFF
    record.path.write_bytes(raw)
    with pytest.raises(RecordError, match="not UTF-8"):
        opened()
    assert record.path.read_bytes() == raw


def test_a_log_that_belongs_to_another_record_is_refused(opened: Open, small_run: list[Event]) -> None:
    record = opened()
    record.append(small_run[0])
    record.checkpoint()
    record.append(small_run[1])
    crash(record)
    log = record.wal_path.read_bytes()
    record.path.unlink()
    record.wal_path.unlink()
    other = opened()
    other.append(event("run.created", data={"id": "another"}))
    other.close()
    other.wal_path.write_bytes(log)
    with pytest.raises(RecordError, match="does not follow"):
        opened()


def test_a_second_writer_is_told_that_the_record_is_busy(opened: Open) -> None:
    opened()
    with pytest.raises(RecordBusy, match="another engine"):
        opened()


def test_a_log_taken_away_between_open_and_lock_gives_no_second_writer(
    opened: Open, small_run: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    first = opened()
    first.append(small_run[0])
    real = fcntl.flock

    def close_first_then_lock(handle: int, how: int) -> None:
        monkeypatch.setattr(fcntl, "flock", real)
        first.close()  # takes the name away that `handle` was opened by
        real(handle, how)

    monkeypatch.setattr(fcntl, "flock", close_first_then_lock)
    second = opened()
    assert os.path.samestat(os.fstat(second._wal), second.wal_path.stat())
    with pytest.raises(RecordBusy):
        opened()


@pytest.mark.parametrize("value", [math.nan, math.inf, None, 2**64, "\ud800", object()])
def test_an_event_that_could_not_be_read_back_is_refused_before_it_is_written(opened: Open, value: object) -> None:
    record = opened()
    record.append(event("note", reason="before"))
    with pytest.raises(ValueError):
        record.append(event("summary", data={"deep": [{"value": value}]}))
    after = record.append(event("note", reason="after"))
    crash(record)
    assert opened().state.last == after


@pytest.mark.parametrize(
    "bad",
    [
        event("no.such.kind"),
        event("mark", item="a", to="ticked"),
        event("mark", item="a", to="waived", data={"until": "soon"}),
        event("mark", item="a", to="waived", data={"until": "2026-11-22T20:00:00"}),
        event("hold.raised", reason="no id in it"),
        event("check.finished", item="a", to="green", data={"observed_at": "2026-11-22T20:00:00Z"}),
    ],
)
def test_an_event_that_makes_no_sense_is_refused_before_it_is_written(opened: Open, bad: Event) -> None:
    record = opened()
    with pytest.raises(ValueError):
        record.append(bad)
    assert record.wal_path.stat().st_size == 0
    assert record.state.last is None


def test_hostile_text_is_cleaned_before_it_is_recorded(opened: Open) -> None:
    record = opened()
    written = record.append(event("note", reason="a\x1b]0;title\x07b\u202ec\nline", actor="ada\x1b[2J"))
    assert (written.reason, written.actor) == ("abc\nline", "ada")


def test_litter_of_a_killed_writer_is_taken_away(opened: Open, record_path: Path) -> None:
    litter = record_path.with_name(f".{record_path.name}.4242.partial")
    litter.write_text("half")
    opened()
    assert not litter.exists()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip(f"cannot mount a small disk here: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_a_full_disk_refuses_the_event_loses_nothing_and_later_goes_on(small_disk: Path) -> None:
    record = RecordFile(small_disk / "run.toml")
    written = [record.append(event("note", reason="x" * 1000)) for _ in range(8)]
    ballast = small_disk / "ballast"
    with ballast.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
        while True:
            file.write(b"\0" * 4096)
    refused = 0
    for _ in range(20):
        try:
            written.append(record.append(event("note", reason="y" * 1500)))
        except OSError:
            refused += 1
    assert refused
    with pytest.raises(OSError, match="No space"):
        record.checkpoint()
    assert record.state.last == written[-1]
    ballast.unlink()
    written.append(record.append(event("note", reason="there is room again")))
    record.close()
    assert read_record(small_disk / "run.toml")[1] == written


def test_a_disk_that_refuses_half_way_and_then_to_tidy_up_spoils_no_later_event(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = opened()
    record.append(event("note", reason="before"))

    def half(handle: int, data: bytes) -> None:
        os.write(handle, data[: len(data) // 2])
        raise OSError(28, "No space left on device")

    def refused(handle: int, size: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr("state.record_file.write_all", half)
        patch.setattr(os, "ftruncate", refused)
        with pytest.raises(OSError, match="No space"):
            record.append(event("note", reason="lost, and said so"))
    after = record.append(event("note", reason="after"))
    crash(record)
    again = opened()
    assert (again.state.last, len(again.state.notes)) == (after, 2)


def test_a_folder_that_cannot_be_written_is_an_error_of_the_disk(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        RecordFile(tmp_path / "nowhere" / "run.toml")


def test_a_read_only_folder_refuses_and_leaves_the_record_readable(small_disk: Path) -> None:
    path = small_disk / "run.toml"
    record = RecordFile(path)
    kept = record.append(event("note", reason="kept"))
    record.close()
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with pytest.raises(OSError, match="Read-only"):
        RecordFile(path)
    assert read_record(path)[1] == [kept]
