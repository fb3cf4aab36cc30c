"""A scripted engine for bench/cockpit.py: it speaks the protocol on SOCKET and does what each line of stdin says.

    python bench/cockpit_engine.py SOCKET [--items 5000]

frozen: nothing is sent. live: at 1 Hz every metric of the story and a gate's progress. flood: live, and 5,000 lines a
second from each of two checks in four messages, cut as the engine cuts them. paused: a replay that stands still.
soak: 28,800 live seconds with output, as fast as 300 a second; it prints `soaked` when they are through.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import msgspec

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "tui"))

import story
from fake_engine import FakeEngine

from state.events import utc_text
from state.loader import load_checklist
from tminus.client.messages import (
    ItemFace,
    ItemView,
    MetricView,
    PhaseFace,
    ReplayView,
    StepFace,
    Update,
    View,
)
from tminus.engine.checking import shown_of
from tminus.engine.views import phase_faces

ROOT = Path(__file__).parents[1]
SOAK_SECONDS = 28_800
SOAK_RATE = 300.0


def shipped() -> tuple[PhaseFace, ...]:
    """The phases of the shipped checklist."""
    return phase_faces(load_checklist(ROOT / "checklist.toml").checklist, lambda _: "read")


def many(items: int) -> tuple[PhaseFace, ...]:
    """ITEMS items in phases of 100."""
    return tuple(
        PhaseFace(
            id=f"phase-{first // 100}", title=f"Phase {first // 100}", mode="do-confirm", branch="main", at="T-1h",
            offset=-3600.0,
            steps=(
                StepFace(
                    "Step",
                    tuple(
                        ItemFace(id=f"item-{n}", text=f"Look at shard {n} ", check="db.count", effect="read")
                        for n in range(first, min(first + 100, items))
                    ),
                ),
            ),
        )
        for first in range(0, items, 100)
    )  # fmt: skip


def opening(phases: tuple[PhaseFace, ...]) -> View:
    """The run as it stands when the screen opens: nothing is settled, 15 gates are armed."""
    now = datetime.now(UTC)
    faces = [face for phase in phases for face in phase.items]
    gates = {f"gate-{n}": msgspec.structs.replace(story.GATES["db-down"], id=f"gate-{n}") for n in range(15)}
    first = story.view(now)
    return msgspec.structs.replace(
        first,
        phases=phases,
        gone=(),
        gates=gates,
        items={face.id: ItemView(id=face.id, why_open="not confirmed yet") for face in faces},
        standing=msgspec.structs.replace(first.standing, phase=phases[0].id),
        output={},
        progress={},
    )


class Script:
    """What is sent, and how often."""

    def __init__(self, engine: FakeEngine) -> None:
        self.engine = engine
        self.mode = "frozen"
        self.turn = 0
        faces = [face for phase in engine.view.phases for face in phase.items]
        self.printing = [face.id for face in faces[:2]]

    async def run(self) -> None:
        """For ever: four times a second, as the engine does."""
        due = time.monotonic()
        while True:
            due += 0.25
            await asyncio.sleep(max(due - time.monotonic(), 0.0))
            self.turn += 1
            if self.mode in ("live", "flood") and self.turn % 4 == 0:
                await self.engine.tell(self.second())
            if self.mode == "flood":
                lines = tuple(f"[{self.turn}.{n:04}] 200 GET /community/{n} {20 + n % 7} ms" for n in range(1250))
                shown = shown_of(lines)
                await self.engine.tell(Update(output=dict.fromkeys(self.printing, shown)))

    def second(self) -> Update:
        """What a second of a live run sends: metrics that move, a gate that counts."""
        now = datetime.now(UTC)
        metrics = {
            name: msgspec.structs.replace(metric, value=_moved(metric, self.turn), text="")
            for name, metric in story.metrics(now).items()
        }
        gate = self.engine.view.gates["gate-0"]
        why = f"err 12.4% > 10%  breaching {self.turn // 240 % 60:02}:{self.turn // 4 % 60:02} of 15:00"
        breaching = msgspec.structs.replace(gate, state="breaching", progress=self.turn / 4 % 900 / 900, why=why)
        return Update(metrics=metrics, gates={gate.id: breaching})

    async def soak(self) -> None:
        """Eight hours of seconds, quicker."""
        began = time.monotonic()
        for second in range(SOAK_SECONDS):
            self.turn += 4
            update = self.second()
            item = self.printing[second // 60 % len(self.printing)]
            state = ItemView(
                id=item, status="running", attempts=second // 60, started_at=utc_text(datetime.now(UTC)),
                actual=f"{second} rows", evidence={"rows": second}, evidence_digest=str(second),
            )  # fmt: skip
            lines = tuple(f"[{second}.{n}] still counting" for n in range(10))
            await self.engine.tell(msgspec.structs.replace(update, items={item: state}, output={item: lines}))
            wait = began + (second + 1) / SOAK_RATE - time.monotonic()
            if wait > 0:
                await asyncio.sleep(wait)
        print("soaked", flush=True)


def _moved(metric: MetricView, turn: int) -> float | None:
    return None if metric.value is None else metric.value * (1 + (turn % 17) / 40)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("socket", type=Path)
    parser.add_argument("--items", type=int, default=0, help="a made-up checklist of so many; 0: the shipped one")
    options = parser.parse_args()
    phases = many(options.items) if options.items else shipped()
    async with FakeEngine(options.socket, opening(phases)) as engine:
        script = Script(engine)
        running = asyncio.create_task(script.run())
        reader = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        print("ready", flush=True)
        while line := (await reader.readline()).decode().strip():
            script.mode = line
            if line == "soak":
                await script.soak()
            elif line == "paused":
                paused = ReplayView(moment=utc_text(datetime.now(UTC)))
                await engine.show(msgspec.structs.replace(engine.view, replay=paused))
            else:
                print(line, flush=True)
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


if __name__ == "__main__":
    asyncio.run(main())
