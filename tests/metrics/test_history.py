"""The history of a run: exact, small, readable while it is written, and never in the way of the run."""

from __future__ import annotations

import math
import random
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metrics.history import History, HistoryError, Recording, history_path
from metrics.history_block import BadBlock, pack, unpack
from metrics.history_rows import Row
from metrics.history_store import BLOCK
from metrics.latency import Latency
from metrics.samples import Measurement

START = datetime(2026, 11, 22, 9, tzinfo=UTC)
KILLS = 10


def after(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def gauge(seconds: float, value: float | None, metric: str = "load", **more: object) -> Measurement:
    return Measurement(metric, value, 1, "count", after(seconds), **more)  # type: ignore[arg-type]


def latency(*seconds: float) -> bytes:
    one = Latency()
    for each in seconds:
        one.add(each)
    return one.encoded()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return history_path(tmp_path / "2026-11-22-run.toml")


@contextmanager
def writing(path: Path, **more: object) -> Iterator[History]:
    history = History(path, **more)  # type: ignore[arg-type]
    try:
        yield history
    finally:
        history.close()


def kept(path: Path, metric: str = "load", since: float = -1e6, until: float = 1e6) -> list[Measurement]:
    with Recording(path) as recording:
        return list(recording.samples(metric, after(since), after(until)))


# --- blocks ------------------------------------------------------------------------------------------------

reals = st.floats() | st.sampled_from([0.0, -0.0, 0.1, 12.345, 1e300]) | st.integers(-(2**40), 2**40).map(float)
rows = st.builds(
    Row,
    at=st.integers(-(2**62), 2**62) | st.integers(1_790_000_000_000, 1_790_000_300_000),
    value=st.none() | reals,
    volume=st.integers(-(2**63), 2**63 - 1) | st.integers(0, 50),
    bad=st.none() | reals,
    error=st.text(st.characters(codec="utf-8"), max_size=9),
    why=st.sampled_from(["", "no traffic"]),
    latency=st.none() | st.binary(max_size=40) | st.just(latency(0.01, 0.2)),
)


@given(st.lists(rows, min_size=1, max_size=40))
def test_a_block_gives_back_every_row_to_the_last_bit(given_rows: list[Row]) -> None:
    # repr tells -0.0 from 0.0 and finds NaN equal to itself; a payload within a NaN is nobody's data
    assert repr(unpack(pack(given_rows))) == repr(given_rows)


@settings(max_examples=300)
@given(st.data())
def test_a_block_that_was_changed_anywhere_is_refused_or_means_the_same(data: st.DataObject) -> None:
    rows = [Row(1_790_000_000_000 + n, n / 7, n, None, "", "", None) for n in range(20)]
    block = bytearray(pack(rows))
    match data.draw(st.sampled_from(["flip", "cut", "noise"])):
        case "flip":
            block[data.draw(st.integers(0, len(block) - 1))] ^= data.draw(st.integers(1, 255))
        case "cut":
            del block[data.draw(st.integers(0, len(block) - 1)) :]
        case "noise":
            block[1:] = data.draw(st.binary(max_size=60))
    with suppress(BadBlock):
        # zlib may say the same in other bits: a repeat can point to either of two places that are alike.
        assert unpack(bytes(block)) == rows


def test_a_quiet_minute_by_minute_day_of_ratios_and_times_takes_under_twelve_bytes_a_sample() -> None:
    rng = random.Random(3)
    size = count = 0
    for start in range(0, 86_400, 3600):
        ratios, times = [], []
        for n in range(BLOCK):
            at = 1_790_000_000_000 + (start + n) * 1000 + rng.randrange(4)
            volume, bad = rng.randrange(20, 60), float(rng.randrange(3))
            ratios.append(Row(at, bad / volume, volume, bad, "", "", None))
            times.append(Row(at, rng.uniform(20, 400), volume, None, "", "", None))
        size, count = size + len(pack(ratios)) + len(pack(times)), count + 2 * BLOCK
    assert size / count < 12


# --- writing and reading -----------------------------------------------------------------------------------


def test_what_is_added_is_read_back_from_blocks_and_open_rows_alike(path: Path) -> None:
    given = [gauge(n + n % 7 / 1000, math.sin(n)) for n in range(BLOCK + 50)]
    with writing(path) as history:
        history.add(given[:100])
        assert history.flush()
        history.add(given[100:])
        assert history.flush()
        assert kept(path) == given  # while it is being written
        assert kept(path, since=10.5, until=20.01) == given[11:20] + [given[20]][: given[20].at <= after(20.01)]
    assert kept(path) == given
    assert sorted(one.name for one in path.parent.iterdir()) == [path.name]  # one file, ready to be copied


def test_no_data_errors_and_numerators_that_are_no_numbers_come_back_as_they_were(path: Path) -> None:
    given = [
        gauge(0, None),
        gauge(1, None, detail={"text": "n too small (3 of 20)"}),
        Measurement("load", None, 0, "", after(2), error="no answer in time"),
        gauge(3, -0.0),
        gauge(4, 0.5, bad=math.inf),
        gauge(5, 0.25, latency=latency(0.1)),
        gauge(6, 0.1 + 0.2, bad=3.0),
    ]
    with writing(path) as history:
        history.add(given)
    found = kept(path)
    assert [repr(replace(one, unit="count")) for one in given] == [repr(one) for one in found]
    with writing(path) as history:
        history.add([gauge(7, 0.5, bad=math.nan)])
    assert math.isnan(kept(path)[-1].bad or 0.0)


def test_the_unit_of_a_metric_that_first_could_not_be_looked_at_is_the_one_it_shows_later(path: Path) -> None:
    with writing(path) as history:
        history.add([Measurement("load", None, 0, "", after(0), error="refused"), gauge(1, 2.0)])
        history.add([Measurement("load", None, 0, "", after(2), error="refused"), gauge(3, 1.0, "other")])
    assert [one.unit for one in kept(path)] == ["count"] * 3
    with Recording(path) as recording:
        known = recording.metrics()
    assert {name: (one.unit, one.samples) for name, one in known.items()} == {
        "load": ("count", 3),
        "other": ("count", 1),
    }
    assert (known["load"].first, known["load"].last) == (after(0), after(2))


def test_a_metric_that_changes_its_unit_keeps_each_value_with_its_own(path: Path) -> None:
    with writing(path) as history:
        history.add([gauge(0, 5.0), Measurement("load", 5000.0, 1, "ms", after(1))])
    assert [(one.value, one.unit) for one in kept(path)] == [(5.0, "count"), (5000.0, "ms")]


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_the_newest_at_a_moment_is_what_a_plain_search_finds(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("at") / "x.metrics.db"
    steps = data.draw(st.lists(st.integers(1, 5), min_size=1, max_size=40))
    given = [gauge(sum(steps[: n + 1]), float(n)) for n in range(len(steps))]
    with writing(path) as history:
        history.add(given)
        history.flush()
        with Recording(path) as recording:
            for moment in range(0, sum(steps) + 3):
                before = [one for one in given if one.at <= after(moment)]
                assert recording.at(after(moment)) == ({"load": before[-1]} if before else {})


def test_a_recording_that_is_open_sees_what_is_written_later_and_no_row_twice(path: Path) -> None:
    with writing(path) as history:
        history.add([gauge(0, 0.0)])
        history.flush()
        with Recording(path) as recording:
            assert len(list(recording.samples("load", START, after(9_999)))) == 1
            for n in range(1, 2 * BLOCK):
                history.add([gauge(n, float(n))])
                if n % 50 == 0:
                    history.flush()
                    found = [one.value for one in recording.samples("load", START, after(9_999))]
                    assert found == [float(value) for value in range(n + 1)]
                    assert recording.at(after(n))["load"].value == float(n)


def test_a_span_is_merged_by_sums_and_histograms_and_never_by_averages(path: Path) -> None:
    with writing(path) as history:
        history.add(
            [
                Measurement("errors", 0.5, 2, "ratio", after(0), bad=1.0, latency=latency(0.1, 0.1)),
                Measurement("errors", 0.0, 98, "ratio", after(1), bad=0.0, latency=latency(*[0.01] * 98)),
                Measurement("errors", None, 0, "", after(2), error="refused"),
                Measurement("errors", 1.0, 1, "ratio", after(60), bad=1.0),
            ]
        )
        history.flush()
        with Recording(path) as recording:
            one = recording.merged("errors", after(0), after(59))
            nothing = recording.merged("errors", after(100), after(200))
    assert (one.looks, one.seen, one.low, one.high, one.last, one.bad, one.volume) == (3, 2, 0.0, 0.5, 0.0, 1.0, 100)
    assert one.ratio == 0.01
    assert one.latency is not None
    assert (one.latency.samples, one.latency.percentile(50)) == (100, pytest.approx(0.01, rel=0.01))
    assert (nothing.looks, nothing.ratio, nothing.low, nothing.latency) == (0, None, None, None)


def test_what_is_remembered_is_recalled_by_the_next_run_also_before_it_is_written(path: Path) -> None:
    with writing(path) as history:
        assert history.recall("gate.errors") is None
        history.remember("gate.errors", b"frozen")
        assert history.recall("gate.errors") == b"frozen"
        history.remember("gate.errors", b"newer")
    with writing(path) as history:
        assert history.recall("gate.errors") == b"newer"


def test_what_is_older_than_eight_days_goes_by_blocks_and_a_clock_far_ahead_empties_nothing(path: Path) -> None:
    week = [gauge(n, float(n)) for n in range(BLOCK)] + [gauge(9 * 86_400 + n, float(n)) for n in range(BLOCK)]
    with writing(path, now=lambda: after(0)) as history:
        history.add(week[:BLOCK])
        history.flush()
        history.add(week[BLOCK:])
    assert len(kept(path)) == 2 * BLOCK
    with writing(path, now=lambda: after(400 * 86_400)) as history:
        history.flush()
    assert kept(path) == week[BLOCK:]


# --- faults ------------------------------------------------------------------------------------------------


def test_a_writer_that_is_killed_at_random_moments_keeps_all_it_had_written_in_a_whole_file(path: Path) -> None:
    rng = random.Random(5)
    script = Path(__file__).with_name("history_writer.py")
    writer = subprocess.Popen(
        [sys.executable, script, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert writer.stdin
    assert writer.stdout
    last, told = -1, 0
    with writer:
        for _ in range(KILLS):
            writer.stdin.write(f"{last + 1} {rng.uniform(0.01, 0.12)}\n")
            writer.stdin.flush()
            for line in iter(writer.stdout.readline, ""):
                if line.startswith("end"):
                    assert int(line.split()[1]) == -signal.SIGKILL
                    break
                last, told = int(line), told + 1
            if not path.exists():
                continue
            with sqlite3.connect(path) as base:
                assert base.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            base.close()
            found = [one.value for one in kept(path, "count")]
            assert found == [float(n) for n in range(len(found))]  # none twice, none missing between
            assert len(found) > last
            with writing(path) as history:
                assert int(history.recall("last") or -1) == len(found) - 1
                assert history.trouble == ""
            last = len(found) - 1
    assert told > KILLS
    assert last > BLOCK


@pytest.mark.parametrize("damage", ["noise", "cut", "page"])
def test_a_damaged_file_is_moved_aside_and_said_and_a_new_one_begun(path: Path, damage: str) -> None:
    with writing(path) as history:
        history.add([gauge(n, math.sin(n)) for n in range(10 * BLOCK)])
    whole = path.read_bytes()
    middle = len(whole) // 2
    broken = {
        "noise": random.Random(1).randbytes(5000),
        "cut": whole[:middle],
        "page": whole[:4096] + random.Random(2).randbytes(len(whole) - 8192) + whole[-4096:],
    }[damage]
    path.write_bytes(broken)
    with writing(path) as history:
        history.add([gauge(99_999, 7.0)])
        assert history.flush()
        assert (
            history.trouble
            == f"the metric history was damaged: it is kept as {path.name}.damaged, and a new one was begun"
        )
    assert [one.value for one in kept(path)] == [7.0]
    assert path.with_name(path.name + ".damaged").read_bytes() == broken
    path.write_bytes(broken)
    with writing(path) as history:
        history.flush()
    assert path.with_name(path.name + ".damaged-2").exists()


def test_a_file_that_breaks_while_it_is_written_takes_what_is_remembered_into_the_new_one(path: Path) -> None:
    with writing(path) as history:
        history.remember("gate", b"frozen")
        history.add([gauge(0, 1.0)])
        history.flush()
        path.unlink()  # somebody cleaned up: the open file would take everything and keep nothing
        history.add([gauge(1, 2.0)])
        history.flush()
        assert [one.value for one in kept(path)] == [2.0]
    with writing(path) as history:
        assert history.recall("gate") == b"frozen"


def test_a_strangers_database_and_a_newer_one_are_never_written_into(path: Path) -> None:
    base = sqlite3.connect(path)
    base.executescript("CREATE TABLE precious (x); INSERT INTO precious VALUES (1);")
    base.close()
    before = path.read_bytes()
    with writing(path) as history:
        history.add([gauge(0, 1.0)])
        history.flush()
        assert "a database of another program" in history.trouble
    assert path.read_bytes() == before
    with pytest.raises(HistoryError, match="it is none"):
        Recording(path)
    path.unlink()
    with writing(path) as history:
        history.flush()
    base = sqlite3.connect(path)
    base.execute("PRAGMA user_version = 99")
    base.close()
    with writing(path) as history:
        history.flush()
        assert "newer tminus" in history.trouble
    with pytest.raises(HistoryError, match="newer"):
        Recording(path)


def test_a_full_disk_is_said_counted_and_gone_on_with_when_there_is_room_again(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("metrics.history.WAITING", 1000)
    with writing(path) as history:
        history.add([gauge(0, 1.0)])
        assert history.flush()
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size, hard))  # the kernel refuses every growth
        try:
            history.add([gauge(n, float(n)) for n in range(1, 501)])
            history.flush()
            assert history.trouble.startswith("the metric history cannot be written: ")
            assert "lost" not in history.trouble  # what waits is not lost
            history.add([gauge(n, float(n)) for n in range(501, 1201)])
            history.flush()
            assert history.trouble.endswith("; 200 samples lost")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        history.flush()
        assert (history.trouble, history.lost) == ("", 200)
    assert [one.value for one in kept(path)] == [1.0, *(float(n) for n in range(201, 1201))]


def test_a_folder_that_is_not_there_is_said_and_the_file_begun_once_it_is(path: Path) -> None:
    later = path.parent / "deployments" / path.name
    with writing(later) as history:
        assert history.recall("gate") is None
        history.add([gauge(0, 1.0)])
        history.flush()
        assert "cannot be opened" in history.trouble
        later.parent.mkdir()
        history.flush()
        assert history.trouble == ""
    assert len(kept(later)) == 1


def test_one_measurement_that_cannot_be_kept_costs_itself_and_not_the_others(path: Path) -> None:
    with writing(path) as history:
        history.add([gauge(0, 1.0), Measurement("load", 1.0, 2**70, "count", after(1)), gauge(2, 3.0)])
        history.add([Measurement("load", None, 0, "", after(3), error="broken \udcff name")])
        history.flush()
        assert (history.trouble, history.lost) == ("", 1)
    assert [(one.value, one.error) for one in kept(path)] == [(1.0, ""), (3.0, ""), (None, "broken ? name")]


def test_a_block_that_rots_is_no_data_and_is_counted(path: Path) -> None:
    with writing(path) as history:
        history.add([gauge(n, float(n)) for n in range(2 * BLOCK)])
        history.flush()
        history.add([gauge(2 * BLOCK, 1.0)])
    base = sqlite3.connect(path)
    base.execute("UPDATE block SET data = zeroblob(40)")
    base.commit()
    base.close()
    with Recording(path) as recording:
        assert [one.value for one in recording.samples("load", START, after(9_999))] == [1.0]
        assert recording.unreadable == 1
        assert recording.at(after(10)) == {}


def test_a_copy_is_read_where_nothing_can_be_written(path: Path, tmp_path: Path) -> None:
    with writing(path) as history:
        history.add([gauge(0, 1.0)])
    folder = tmp_path / "sealed"
    folder.mkdir()
    copy = Path(shutil.copy(path, folder))
    copy.chmod(0o400)
    folder.chmod(0o500)
    try:
        assert [one.value for one in kept(copy)] == [1.0]
        assert [one.name for one in folder.iterdir()] == [copy.name]
    finally:
        folder.chmod(0o700)


def test_no_file_and_rubbish_are_told_apart_without_a_traceback(path: Path) -> None:
    with pytest.raises(HistoryError, match="no metric history"):
        Recording(path)
    path.write_bytes(b"not a database, and longer than a header of one hundred bytes" * 9)
    with pytest.raises(HistoryError, match="damaged"):
        Recording(path)
    path.write_bytes(b"")
    with pytest.raises(HistoryError):
        Recording(path)
