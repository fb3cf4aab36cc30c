"""What a gate costs: steps a second and bytes, for windows of 2 minutes to 7 days at one sample a second.

    python bench/gates.py [--help]

Each gate is filled with its whole window first. Beside it stands the plain way, which keeps every sample and adds
them all up at each step: the bare sums, without a gate around them. `ratio` is how many times faster one gate is.
Windows are the dearest mode: they need two sums at every sample.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import deque
from dataclasses import fields, is_dataclass, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from metrics.gate_window import EMPTY, added
from metrics.gates import GateRule, GateState, Phase, arm, freeze, passes, step
from metrics.samples import Sample

SPANS = {"2m": 120, "15m": 900, "24h": 86_400, "7d": 604_800}


def rule(mode: str, over: int) -> GateRule:
    return GateRule("g", "http.error_rate", mode, ">", 0.10, over=over, interval=1.0)  # type: ignore[arg-type]


def sample(at: int) -> Sample:
    return Sample.ratio(float(at), at % 3, 40)


def filled(gate: GateRule) -> GateState:
    """GATE's state with a whole window seen, and clear. Its buckets are filled at once, then it goes on by steps."""
    state, seen, before, end = arm(GateState(), 0.0), EMPTY, None, int(gate.over * 1.05)
    for at in range(1, end + 1):
        seen = added(seen, sample(at), breach=False, before=before, span=gate.over, interval=1.0)
        before = float(at)
    state = replace(state, now=before, seen=seen, newest=sample(end), watched_since=1.0, sight_since=before)
    for at in range(end + 1, end + 100):
        state = step(gate, state, sample(at), at)
    if state.phase is not Phase.CLEAR or not passes(gate, state, state.now or 0.0):
        raise SystemExit(f"a gate over {gate.over} s is {state.phase}, not clear")
    return state


def stepped(gate: GateRule, state: GateState, gates: int, seconds: float) -> float:
    """Steps a second of so many gates, each fed with one sample a second."""
    states, at, done = [state] * gates, int(state.now or 0), 0
    began = time.perf_counter()
    while time.perf_counter() - began < seconds:
        at += 1
        states = [step(gate, one, sample(at), at) for one in states]
        done += gates
    return done / (time.perf_counter() - began)


def summed(over: int, seconds: float) -> float:
    """Steps a second of one that keeps every sample of the window and adds them up anew."""
    kept = deque((sample(at) for at in range(over)), maxlen=over)
    at, done, began = over, 0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        at += 1
        kept.append(sample(at))
        bad = volume = bad_lately = volume_lately = 0.0
        covered, before = 0.0, at - over
        for one in kept:
            bad, volume = bad + (one.bad or 0), volume + one.volume
            covered += min(one.at - before, 1.0)
            before = one.at
            if at - one.at < over / 12:
                bad_lately, volume_lately = bad_lately + (one.bad or 0), volume_lately + one.volume
        _ = covered >= 0.8 * over and bad / volume > 0.1 and bad_lately / volume_lately > 0.1
        done += 1
    return done / (time.perf_counter() - began)


def size(thing: object, seen: set[int]) -> int:
    """Bytes of THING and all that hangs on it."""
    if id(thing) in seen or isinstance(thing, type):
        return 0
    seen.add(id(thing))
    total = sys.getsizeof(thing)
    if is_dataclass(thing):
        return total + sum(size(getattr(thing, one.name), seen) for one in fields(thing))
    return total + (sum(size(part, seen) for part in thing) if isinstance(thing, tuple) else 0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=0.4, help="of each measurement (0.4)")
    parser.add_argument("--gates", type=int, nargs="+", default=[1, 10, 100], help="how many at once (1 10 100)")
    parser.add_argument("--spans", nargs="+", default=list(SPANS), choices=list(SPANS), help="windows (all)")
    given = parser.parse_args()
    many = "".join(f"{f'{n} gates/s':>13}" for n in given.gates)
    print(f"{'mode':<10}{'window':>7}{many}{'µs/step':>9}{'summed/s':>10}{'ratio':>8}{'kB/gate':>9}{'frozen kB':>11}")
    for name in given.spans:
        naive = summed(SPANS[name], given.seconds)
        for mode in ("window", "sustained"):
            gate = rule(mode, SPANS[name])
            state = filled(gate)
            rates = [stepped(gate, state, n, given.seconds) for n in given.gates]
            memory, frozen = size(state, set()) / 1000, len(json.dumps(freeze(state, 0.0))) / 1000
            print(
                f"{mode:<10}{name:>7}"
                + "".join(f"{rate:>13,.0f}" for rate in rates)
                + f"{1e6 / rates[0]:>9.1f}{naive:>10,.1f}{rates[0] / naive:>7,.1f}x{memory:>9.1f}{frozen:>11.1f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
