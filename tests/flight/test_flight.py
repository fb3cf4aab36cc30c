"""The whole cutover by keys in tmux, with a second person watching, and with all that goes wrong around a screen.

The connection is cut, the window changes its size, the cockpit is hung up on and opened again, and the engine is
killed with -9: nothing acknowledged is lost, the screen says what it is without, and the run completes.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from robot import Robot
from terminal import Tmux, until

from rehearsal.stage import load_stage
from state.record_file import read_record
from state.settled import settled
from tminus.cli.rehearse_stage import _count_users, _environ
from tminus.client.messages import View
from tminus.definition import load
from tminus.places import place_of

TMINUS = (sys.executable, "-m", "tminus")
KILLS = ("backup-sqlite", "verify-tables", "test-login")
"""The engine is killed a random while after each of these was settled."""

pytestmark = [
    pytest.mark.long,  # some four minutes, nearly all of them waiting: `make flight`
    pytest.mark.skipif(shutil.which("tmux") is None, reason="there is no tmux here"),
]


@pytest.fixture
def tmux(tmp_path: Path, runtime_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tmux]:
    monkeypatch.delenv("TMUX", raising=False)
    server = Tmux(runtime_folder)
    yield server
    server.end()


class Flight:
    """Two people at their screens, and what happens to them."""

    def __init__(self, tmux: Tmux, stage: Path) -> None:
        self.tmux = tmux
        self.stage = stage
        self.checklist = stage / "checklist.toml"
        self.killed: list[str] = []
        self._killers: list[threading.Timer] = []
        self._calls = {"pre": self._cut_and_resize, "day-1": self._hang_up, "day-3": self._watcher_holds}
        answers = {"final-backup-counts": lambda: str(_count_users(load_stage(stage).sqlite))}
        self.robot = Robot(tmux, "driver", self.checklist, answers, self.after, self.start_the_engine_again)
        self.rehearse = (*TMINUS, "rehearse", "--stage", str(stage), "--users", "120", "--as", "anna")

    def open(self) -> None:
        """The driver's screen, and the watcher's at another size, with a read-only client of another size again."""
        self.tmux.open("driver", 160, 48, *self.rehearse, folder=self.stage.parent)
        self.shows("driver", "challenge and response")
        self.ssh = self.tmux.attach("driver", 160, 48)
        watch = (*TMINUS, "watch", "--checklist", str(self.checklist), "--as", "bo")
        self.tmux.open("watcher", 80, 24, *watch, folder=self.stage.parent)
        self.shows("watcher", "READ-ONLY")
        self.guest = self.tmux.attach("watcher", 100, 30, "-r")
        until(lambda: self.guest.bytes > 0, "the read-only client to be shown something")

    def look(self) -> View:
        """The run as it is."""
        return until(self.robot.seen, "an engine to answer")

    def shows(self, session: str, words: str) -> None:
        until(lambda: words in self.tmux.screen(session), f"{session} to show {words!r}\n{self.tmux.screen(session)}")

    def after(self, name: str) -> None:
        """What happens after the item or the phase NAME."""
        if name in KILLS and name not in self.killed:
            self.killed.append(name)
            timer = threading.Timer(random.uniform(0.0, 1.5), self._kill)
            timer.start()
            self._killers.append(timer)
        elif name in self._calls:
            self._calls.pop(name)()

    def _kill(self) -> None:
        os.kill(int(place_of(self.checklist).lock.read_text()), signal.SIGKILL)

    def start_the_engine_again(self) -> None:
        """The cockpits say that the engine has gone, and are back by themselves when somebody has started it."""
        for session in ("driver", "watcher"):
            self.shows(session, "ENGINE GONE")
            assert "UNKNOWN" in self.tmux.screen(session).splitlines()[0]
        self.tmux.keys("driver", "Escape")  # a question that was open is left
        start = [*TMINUS, "run", "--no-cockpit", "--checklist", str(self.checklist)]
        subprocess.run(start, env=_environ(load_stage(self.stage)), check=True, capture_output=True)
        self._back()

    def _back(self) -> None:
        for session in ("driver", "watcher"):
            until(lambda session=session: "ENGINE GONE" not in self.tmux.screen(session), f"{session} to be back")

    def _cut_and_resize(self) -> None:
        """The SSH connection goes; another client comes back; the window is shaken a hundred times."""
        self.ssh.drop()
        assert not self.tmux.ended("driver")
        before = self.look().gone
        self.ssh = self.tmux.attach("driver", 160, 48)
        for _ in range(50):
            self.tmux.resize("driver", 80, 23)
            self.tmux.resize("driver", 160, 48)
        self.shows("driver", "challenge and response")
        assert self.look().gone == before

    def _hang_up(self) -> None:
        """The cockpit itself is hung up on. It ends in order, and the next one goes on where it was."""
        before = self.look()
        os.kill(self.tmux.pid("driver"), signal.SIGHUP)
        until(lambda: self.tmux.ended("driver"), "the rehearsal to end in order")
        self.tmux.again("driver", *self.rehearse)
        self.shows("driver", "challenge and response")
        self._back()
        assert self.look().gone == before.gone

    def _watcher_holds(self) -> None:
        """The watcher may not give GO, and says why; may hold, and that stops the driver; and lets go again."""
        self.tmux.keys("watcher", "g")
        self.shows("watcher", "this screen only watches")
        self.tmux.keys("watcher", "h")
        self.shows("watcher", "Hold the run")
        self.tmux.type("watcher", "a number looks odd")
        self.tmux.keys("watcher", "Enter")
        for session in ("driver", "watcher"):
            self.shows(session, "HOLD")
        self.shows("driver", "a number looks odd")
        self.tmux.keys("driver", "g")
        self.shows("driver", "go: ")
        assert self.look().standing.go != "GO"
        self.tmux.keys("driver", "l")
        self.shows("driver", "Release the hold")
        self.tmux.keys("driver", "y")
        until(lambda: not self.look().holds, "the hold to be released")

    def land(self) -> None:
        """Both screens say GO; the run is closed by its command, and the screens are left."""
        for session in ("driver", "watcher"):
            until(lambda session=session: " GO " in self.tmux.screen(session).splitlines()[0], f"{session} to say GO")
        subprocess.run(
            [*TMINUS, "stop", "--close", "--checklist", str(self.checklist)], check=True, stdin=subprocess.DEVNULL
        )
        for session in ("driver", "watcher"):
            self.shows(session, "ENGINE GONE")
            self.tmux.keys(session, "q")
            until(lambda session=session: self.tmux.ended(session), f"{session} to end")
        self.ssh.drop()
        self.guest.drop()

    def end(self) -> None:
        """Whatever happened, nothing of the stage stays: its screen is left, and ends it."""
        for timer in self._killers:
            timer.cancel()
        if not self.tmux.ended("driver"):
            self.tmux.keys("driver", "Escape")
            time.sleep(0.5)  # escape and q at once would be alt+q
            self.tmux.keys("driver", "q")
            until(lambda: self.tmux.ended("driver"), "the rehearsal to end")
        self.robot.eyes.close()


def test_a_flight_by_keys_survives_what_happens_to_screens_and_engine_and_ends_with_go(
    tmux: Tmux, tmp_path: Path
) -> None:
    stage = tmp_path / "stage"
    flight = Flight(tmux, stage)
    try:
        flight.open()
        flight.robot.fly()
        flight.land()
    except BaseException:
        print(flight.robot.screen())
        raise
    finally:
        print("\n".join(flight.robot.steps))
        flight.end()
    assert flight.killed == list(KILLS)

    (path,) = (stage / "deployments").glob("*.toml")
    run, events = read_record(path)
    loaded, _ = load(stage / "checklist.toml")
    # What was shown as passed was acknowledged, so it is in the record.
    recorded = {event.item for event in events if event.kind == "check.finished" and event.to == "pass"}
    assert flight.robot.passed and flight.robot.passed <= recorded
    # Three kills, and one rehearsal that was opened again.
    assert [event.to for event in events if event.kind == "engine.started"] == ["started", *["resumed"] * 4]
    # Every item of the way forward is settled, each mark is the driver's, and the record says what it is.
    now = events[-1].at
    for phase in loaded.checklist.main_phases:
        assert phase.id in run.gone
        assert [i.id for i in phase.items if not settled(i, run.item(i.id), now)] == []
    assert {said.actor for item in run.items.values() for said in item.confirmations} == {"anna"}
    assert run.meta["rehearsal"] is True
    assert run.meta["durations"]["error-rate.for"] == "30s"
    assert run.closed
    holds = [(event.kind, event.actor) for event in events if event.kind.startswith("hold")]
    assert [actor for _, actor in holds] == ["bo", "anna"]

    # The data really moved, was proven, and no secret and no path of this machine is in the record.
    moved = run.item("migrate-data").outcome
    assert moved is not None and moved.evidence["proof"] == "equal"
    # Whatever a visitor was told was saved, before the move or after it, is in PostgreSQL now.
    kept = run.item("user-reports").outcome
    assert kept is not None and "0 missing in postgresql" in str(kept.evidence)
    text = path.read_text()
    assert str(tmp_path) not in text
    assert "postgresql://app:" not in text

    # Nothing that the stage started is left: only tmux, whose words name it too.
    left = subprocess.run(["ps", "axww", "-o", "command"], capture_output=True, text=True, check=True).stdout
    assert [line for line in left.splitlines() if str(stage) in line and not line.startswith("tmux ")] == []
