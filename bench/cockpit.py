"""What the cockpit costs on a real terminal, beside a bare Textual hello-world and other screens of its kind.

    python bench/cockpit.py [--rounds 7] [--seconds 10] [--soak] [--peer posting=/path/to/posting ...]

Each program runs on a pseudo-terminal of 120x40 in truecolor that is read all the time. `first` is from the spawn to
the first text on the screen, `state` to the run's own state (medians). `key` is from a press to the bytes that answer
it: the cursor stands in another row, or the hello's counter is up. CPU is of the screen's process tree, as the
scheduler counts it. About 100 s; --soak adds two minutes, each --peer 15 s.
"""

from __future__ import annotations

import argparse
import gc
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

from pty_help import Program

from tminus.places import place_of

ROOT = Path(__file__).parents[1]
HELLO = """
from textual.app import App
from textual.widgets import Static
class Hello(App):
    BINDINGS = [("j", "count", "")]
    n = 0
    def compose(self):
        yield Static("hello 0")
    def action_count(self):
        self.n += 1
        self.query_one(Static).update(f"hello {self.n}")
Hello().run(mouse=False)
"""
COCKPIT = """
import sys
from pathlib import Path
from tui.launch import run_cockpit
sys.exit(run_cockpit(Path(sys.argv[1]), name="anna"))
"""
DOWN, UP = b"\x1b[B", b"\x1b[A"
CURSOR = "›"
AT_HOME = {"PYTHONPATH": str(ROOT)}


class Engine:
    """The scripted engine in a process of its own."""

    def __init__(self, socket: Path, items: int = 0) -> None:
        command = [sys.executable, str(ROOT / "bench" / "cockpit_engine.py"), str(socket), "--items", str(items)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._heard("ready")

    def turn(self, mode: str) -> None:
        """Go over to MODE."""
        assert self.process.stdin is not None
        self.process.stdin.write(mode + "\n")
        self.process.stdin.flush()

    def _heard(self, word: str) -> None:
        assert self.process.stdout is not None
        while (line := self.process.stdout.readline().strip()) != word:
            if not line:
                raise SystemExit("the scripted engine ended")

    def soaked(self) -> bool:
        """Wait until the eight hours are over."""
        self._heard("soaked")
        return True

    def close(self) -> None:
        """End it."""
        self.process.kill()
        self.process.wait()


@dataclass
class Measured:
    """One line of the table."""

    name: str
    first: float | None = None
    state: float | None = None
    keys: Sequence[float] = ()
    processor: float | None = None
    wire: float | None = None
    memory: float | None = None

    def line(self) -> str:
        """The line: seconds as ms, per cent of a core, bytes a second, MiB."""
        ordered = sorted(self.keys)
        p50 = statistics.median(ordered) * 1e3 if ordered else None
        p90 = ordered[int(len(ordered) * 0.9)] * 1e3 if ordered else None
        cells = [
            _cell(self.first and self.first * 1e3, "ms"),
            _cell(self.state and self.state * 1e3, "ms"),
            _cell(p50, "ms", 1),
            _cell(p90, "ms", 1),
            _cell(self.processor, "%", 2),
            _cell(self.wire, "B/s"),
            _cell(self.memory, "MiB"),
        ]
        return f"{self.name:<34}" + "".join(f"{cell:>11}" for cell in cells)


HEAD = f"{'program':<34}" + "".join(
    f"{word:>11}" for word in ("first", "state", "key p50", "key p90", "CPU", "wire", "RSS")
)


def _cell(value: float | None, unit: str, digits: int = 0) -> str:
    return "" if value is None else f"{value:,.{digits}f} {unit}"


def starts(
    command: Sequence[str], state: Callable[[Program], object], environment: dict[str, str]
) -> tuple[float, float]:
    """Seconds from the spawn to the first text, and to STATE on the screen."""
    program = Program(command, environment=environment)
    try:
        first = program.wait(lambda one: one.text.strip()) - program.began
        return first, program.wait(state) - program.began
    finally:
        program.close()


def moves(program: Program, count: int = 40, keys: Sequence[bytes] = (DOWN, UP)) -> list[float]:
    """Seconds from key to paint of COUNT presses of KEYS in turn, half a beat apart so that they meet every phase
    of a second."""
    took = []
    for n in range(count):
        before = program.column_of(CURSOR)
        took.append(
            program.press(keys[n % len(keys)], lambda one, was=before: one.column_of(CURSOR) not in ((), was))
        )
        time.sleep(0.085)
    return took


def cockpit_rows(seconds: float) -> list[Measured]:
    """The cockpit with the clock alone, live, in a flood, and with a replay that stands still."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        engine = Engine(Path(folder) / "e.sock")
        program = Program([sys.executable, "-c", COCKPIT, f"{folder}/e.sock"], environment=AT_HOME)
        try:
            program.wait(is_there)
            for mode, name in (
                ("frozen", "cockpit, the clock alone"),
                ("live", "cockpit, live at 1 Hz"),
                ("flood", "cockpit, live + 5,000 lines/s"),
                ("paused", "cockpit, a paused replay"),
            ):
                engine.turn(mode)
                time.sleep(1.5)
                keys = moves(program, 60 if mode == "flood" else 40)
                time.sleep(1.5)
                processor, wire = program.over(seconds)
                rows.append(Measured(name, None, None, keys, processor, wire, program.memory()))
        finally:
            program.close()
            engine.close()
    return rows


def long_rows(items: Sequence[int]) -> list[Measured]:
    """A checklist of so many ITEMS, live: moving, paging, and the letters of a filter."""
    rows = []
    for count in items:
        with tempfile.TemporaryDirectory() as folder:
            engine = Engine(Path(folder) / "e.sock", count)
            program = Program([sys.executable, "-c", COCKPIT, f"{folder}/e.sock"], environment=AT_HOME)
            try:
                program.wait(is_there)
                engine.turn("live")
                time.sleep(1.5)
                name = f"cockpit, {count:,} items"
                rows.append(Measured(f"{name}: arrows", keys=moves(program, 40), memory=program.memory()))
                rows.append(Measured(f"{name}: end, home", keys=moves(program, 20, (b"\x1b[F", b"\x1b[H"))))
                rows.append(Measured(f"{name}: filter", keys=filters(program)))
            finally:
                program.close()
                engine.close()
    return rows


def filters(program: Program) -> list[float]:
    """Seconds from the Enter of a filter to the list that it leaves."""
    took = []
    for n in range(10):
        os.write(program.fd, b"/")
        program.wait(lambda one: "words in the id" in one.text)
        word = f"shard {n + 10}"
        os.write(program.fd, word.encode())
        program.wait(lambda one, word=word: word in one.text)  # type: ignore[misc]
        took.append(program.press(b"\r", lambda one, word=word: f"checklist: '{word}'" in one.text))  # type: ignore[misc]
    return took


def is_there(program: Program) -> bool:
    """The cockpit shows the run's state, and the cursor stands in the list."""
    return "NO-GO" in program.text and bool(program.column_of(CURSOR))


def openings(rounds: int) -> list[Measured]:
    """First paint of hello, of the cockpit, and of the person's command, in turns."""
    took: dict[str, list[tuple[float, float]]] = {"hello": [], "cockpit": [], "watch": []}
    with tempfile.TemporaryDirectory() as folder:
        checklist = Path(folder) / "checklist.toml"
        checklist.write_text((ROOT / "checklist.toml").read_text())
        socket = place_of(checklist).socket
        engine = Engine(socket)
        watch = [sys.executable, "-m", "tminus", "watch", "-C", str(checklist), "--as", "anna"]
        try:
            for _ in range(rounds):
                took["hello"].append(starts([sys.executable, "-c", HELLO], lambda one: "hello" in one.text, {}))
                took["cockpit"].append(starts([sys.executable, "-c", COCKPIT, str(socket)], is_there, AT_HOME))
                took["watch"].append(starts(watch, is_there, AT_HOME))
        finally:
            engine.close()
            socket.unlink(missing_ok=True)
    names = {"hello": "Textual hello-world", "cockpit": "cockpit", "watch": "tminus watch (the command)"}
    return [
        Measured(names[key], statistics.median(a for a, _ in both), statistics.median(b for _, b in both))
        for key, both in took.items()
    ]


def hello_row(seconds: float) -> Measured:
    """The hello-world at rest, and under keys."""
    program = Program([sys.executable, "-c", HELLO])
    try:
        program.wait(lambda one: "hello 0" in one.text)
        time.sleep(1.0)
        keys = []
        for n in range(40):
            keys.append(program.press(b"j", lambda one, n=n: f"hello {n + 1}" in one.text))  # type: ignore[misc]
            time.sleep(0.05)
        time.sleep(1.0)
        processor, wire = program.over(seconds)
        return Measured("Textual hello-world, at rest", None, None, keys, processor, wire, program.memory())
    finally:
        program.close()


def peer_row(name: str, command: str, seconds: float, rounds: int) -> Measured:
    """Another program as it stands when nothing is asked of it; a key is answered by the next bytes."""
    argv = shlex.split(command)
    with tempfile.TemporaryDirectory() as home:
        place = {"HOME": home, "XDG_CONFIG_HOME": home}
        first = statistics.median(starts(argv, lambda one: one.text.strip(), place)[0] for _ in range(rounds))
        program = Program(argv, environment=place)
        try:
            time.sleep(5.0)
            keys = []
            for n in range(20):
                before = program.bytes
                try:
                    key = (b"\t", b"\x1b[Z")[n % 2]
                    keys.append(program.press(key, lambda one, before=before: one.bytes > before))  # type: ignore[misc]
                except TimeoutError:
                    break
                time.sleep(0.1)
            time.sleep(1.5)
            processor, wire = program.over(seconds)
            return Measured(name, first, None, keys, processor, wire, program.memory())
        finally:
            program.close()


def soak() -> list[str]:
    """Eight hours of live seconds at 300 a second: resident memory at each tenth."""
    with tempfile.TemporaryDirectory() as folder:
        engine = Engine(Path(folder) / "e.sock")
        program = Program([sys.executable, "-c", COCKPIT, f"{folder}/e.sock"], environment=AT_HOME)
        try:
            program.wait(is_there)
            engine.turn("soak")
            began, seen = time.perf_counter(), []
            while len(seen) < 10:
                time.sleep(9.3)
                seen.append(program.memory())
            engine.soaked()
            keys = moves(program, 10)
            seen.append(program.memory())
        finally:
            program.close()
            engine.close()
    took = time.perf_counter() - began
    return [
        f"soak: 28,800 live seconds in {took:.0f} s; MiB on the way: " + " ".join(f"{one:.1f}" for one in seen),
        f"      after the first fifth {seen[1]:.1f}, at the end {seen[-1]:.1f} MiB ({seen[-1] - seen[1]:+.1f});"
        f" key p90 then {sorted(keys)[8] * 1e3:.1f} ms",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="starts of each program")
    parser.add_argument("--seconds", type=float, default=10.0, help="how long CPU and bytes are counted")
    parser.add_argument("--items", type=int, nargs="*", default=(90, 5000), help="sizes of the long checklists")
    parser.add_argument("--only", choices=("start", "live", "long"), help="one part alone")
    parser.add_argument("--soak", action="store_true", help="eight hours of live seconds as well")
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=COMMAND", help="another program")
    options = parser.parse_args()
    gc.disable()  # no pause of ours in the figures
    print(HEAD, flush=True)
    parts: list[Callable[[], Sequence[Measured]]] = []
    if options.only in (None, "start"):
        parts.append(lambda: openings(options.rounds))
    if options.only in (None, "live"):
        parts += [lambda: [hello_row(options.seconds)], lambda: cockpit_rows(options.seconds)]
    if options.only in (None, "long"):
        parts.append(lambda: long_rows(options.items))
    for peer in options.peer:
        name, _, command = peer.partition("=")
        parts.append(lambda name=name, command=command: [peer_row(name, command, options.seconds, 3)])  # type: ignore[misc]
    for part in parts:
        for row in part():
            print(row.line(), flush=True)
    if options.soak:
        print("\n".join(soak()))


if __name__ == "__main__":
    main()
