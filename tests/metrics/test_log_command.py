"""A command whose output is followed: real processes, no waiting."""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Iterator

import pytest

from metrics.sources.log.command import Output
from metrics.sources.log.reading import Reading, Rules
from metrics.sources.log.tally import Tally


class Clock:
    """Goes on when it is told to."""

    def __init__(self) -> None:
        self.at = 100.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def output() -> Iterator[type[Output]]:
    made: list[Output] = []

    class Kept(Output):
        def __init__(self, *words: object, **more: object) -> None:
            super().__init__(*words, **more)  # type: ignore[arg-type]
            made.append(self)

    yield Kept
    for one in made:
        one.close()


def _until(output: Output, lines: int) -> Tally:
    """What OUTPUT counted when it has seen LINES lines."""
    seen = Tally()
    output.poll(10.0)
    while (seen.add(output.take()), seen.lines)[1] < lines:
        assert select.select([output._process.stdout], [], [], 10)[0], "the command wrote nothing"
        output.poll(10.0)
    return seen


def test_a_commands_output_counts_and_its_standard_error_does_not(output):
    script = "import sys,time; print('ERROR out', flush=True); print('ERROR err', file=sys.stderr, flush=True); time.sleep(60)"
    one = output([sys.executable, "-c", script], Reading(Rules("errors")))
    assert _until(one, 1).errors == 1


def test_a_command_that_ends_is_no_data_and_is_run_again_later_and_later(output, tmp_path):
    clock, runs = Clock(), tmp_path / "runs"
    one = output(["sh", "-c", f"echo x >> {runs}; echo FATAL; exit 3"], Reading(Rules("errors")), now=clock)
    waits = []
    for count in (1, 2, 3):
        while not (health := one.poll(10.0)).why:
            select.select([one._process.stdout], [], [], 10)
        assert "the command ended (exit 3)" in health.why
        waits.append(one._again_at - clock())
        assert "is run again in" in one.poll(10.0).why
        assert len(runs.read_text().split()) == count
        clock.at += waits[-1]
    assert waits == [1.0, 2.0, 4.0]
    assert (one.take().errors, one.gaps) == (3, 3)


def test_a_command_that_is_not_there_is_an_error(output):
    health = output(["/nowhere/at/all"], Reading(Rules())).poll(1.0)
    assert health.failed and "cannot be started" in health.why


def test_the_whole_group_of_a_command_ends_with_the_source(output, tmp_path):
    note = tmp_path / "pid"
    one = output(["sh", "-c", f"sleep 61 & echo $! > {note}; echo ready; wait"], Reading(Rules("errors")))
    _until(one, 1)
    child = os.pidfd_open(int(note.read_text()))
    one.close()
    assert select.select([child], [], [], 10)[0], "a child of the command is still there"
    os.close(child)
