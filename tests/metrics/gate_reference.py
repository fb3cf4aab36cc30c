"""A gate that keeps every sample and works everything out anew at each step: slow, and plain enough to be believed."""

from __future__ import annotations

import math
from itertools import pairwise

from metrics.gates import GateRule, Phase
from metrics.samples import Sample

EPS = 1e-6


class Naive:
    """The rules of DESIGN over a plain list, without decisions. Tests compare the engine with it."""

    def __init__(self, rule: GateRule, now: float) -> None:
        self.rule, self.now, self.armed_at = rule, now, now
        self.seen: list[Sample] = []
        self.sight_since = now
        self.no_data = self.troubled = False
        self.phase = Phase.UNKNOWN

    def step(self, sample: Sample | None, now: float) -> None:
        rule = self.rule
        if now < self.now:
            self._forget()
            self.armed_at = self.sight_since = now
        self.now = now
        if sample is not None and not self._counts(sample):
            sample = None
        until = now if sample is None else sample.at
        self.no_data = (
            self.no_data or until - max(self.sight_since, self.armed_at + rule.settle) >= rule.no_data_after
        )
        if self.seen and until - self.seen[-1].at > rule.stale_after:
            if rule.mode != "window":
                self._forget()
            elif self.phase is not Phase.TRIPPED:
                self.phase = Phase.UNKNOWN
        if sample is None:
            return
        self.seen.append(sample)
        self.sight_since, self.no_data = sample.at, False
        self._judge()

    def _counts(self, s: Sample) -> bool:
        rule = self.rule
        if s.value is None or (s.bad is not None and not 0 <= s.bad <= s.volume):
            return False
        if s.at > self.now or self.now - s.at > rule.stale_after or s.at < self.armed_at + rule.settle:
            return False
        return not self.seen or s.at > self.seen[-1].at

    def _forget(self) -> None:
        self.seen = []
        if self.phase is not Phase.TRIPPED:
            self.phase = Phase.UNKNOWN

    def window(self, end: float, over: float) -> list[Sample]:
        return [s for s in self.seen if end - over + EPS < s.at <= end]

    def value(self, end: float, over: float) -> float | None:
        inside = self.window(end, over)
        if not inside:
            return None
        if all(s.bad is not None for s in inside):
            return math.fsum(s.bad or 0 for s in inside) / sum(s.volume for s in inside)
        if any(s.bad is not None for s in inside):
            return None
        return math.fsum(s.value or 0 for s in inside) / len(inside)

    def covered(self, end: float) -> float:
        covered, before = 0.0, end - self.rule.over
        for s in self.window(end, self.rule.over):
            covered += min(s.at - before, self.rule.interval)
            before = s.at
        return covered

    def sides(self) -> list[tuple[float, bool, bool]]:
        """(when, breaches, well clear) of every sample; of a window by its value."""
        rule, out = self.rule, []
        for s in self.seen:
            value = self.value(s.at, rule.over) if rule.mode == "window" else s.value
            bad = (bool(out) and out[-1][1]) if value is None else rule.breaches(value)
            out.append((s.at, bad, value is not None and rule.well_clear(value)))
        return out

    def flips(self, end: float) -> int:
        moves = pairwise(self.sides())
        return sum(end - after[0] < self.rule.span for before, after in moves if before[1] != after[1])

    def lasting(self, which: int) -> float:
        """For how long the newest samples have all breached (1) or been well clear (2); under 0: they have not."""
        since = None
        for n, side in enumerate(self.sides()):
            gap = n > 0 and side[0] - self.seen[n - 1].at > self.rule.stale_after
            since = None if not side[which] else side[0] if since is None or gap else since
        return -1.0 if since is None else self.seen[-1].at - since

    def enough(self, *, partial: bool) -> bool:
        rule, end = self.rule, self.seen[-1].at
        watched = end - self.seen[0].at + rule.interval
        if not partial and watched + EPS < rule.over:
            return False
        inside = self.window(end, rule.over)
        needed = rule.coverage * (min(rule.over, watched) if partial else rule.over)
        busy = any(s.bad is None for s in inside) or sum(s.volume for s in inside) >= rule.min_volume
        return self.covered(end) + EPS >= needed and (rule.mode != "window" or busy)

    def _judge(self) -> None:
        rule, end = self.rule, self.seen[-1].at
        newest_bad = rule.breaches(self.seen[-1].value or 0.0)
        known, tripping, breaching = True, False, newest_bad
        if rule.mode == "window":
            long, short = self.value(end, rule.over), self.value(end, rule.lately)
            known = long is not None and short is not None and self.enough(partial=rule.partial)
            tripping = bool(known and rule.breaches(long or 0.0) and rule.breaches(short or 0.0))
            breaching = short is not None and rule.breaches(short)
        elif rule.mode == "consecutive":
            tail = [s[1] for s in self.sides()[-rule.count :]]
            tripping = len(tail) == rule.count and all(tail)
        elif newest_bad and end - self.seen[0].at + EPS >= rule.over and self.enough(partial=False):
            inside = [s for s in self.seen if end - s.at <= rule.over]
            spared = sum(not rule.breaches(s.value or 0.0) for s in inside)
            tripping = spared <= rule.tolerate if rule.tolerate else self.lasting(1) >= rule.over
        self.troubled = self.troubled or self.sides()[-1][1]
        if self.phase is Phase.TRIPPED:
            return
        if tripping:
            self.phase = Phase.TRIPPED
        elif not known:
            self.phase = Phase.UNKNOWN
        elif breaching:
            self.phase = Phase.BREACHING
        elif (self.troubled or self.flips(end)) and self.lasting(2) + EPS < max(rule.clear_for, EPS):
            self.phase = Phase.RECOVERING
        else:
            self.phase, self.troubled = Phase.CLEAR, False

    def passes(self, now: float) -> bool:
        rule = self.rule
        if self.phase is not Phase.CLEAR or self.no_data or not self.seen:
            return False
        end = self.seen[-1].at
        if now - end > rule.stale_after or self.flips(end) > 3:
            return False
        if rule.mode == "consecutive":
            tail = self.seen[-rule.count :]
            return len(tail) == rule.count and not any(rule.breaches(s.value or 0.0) for s in tail)
        if not self.enough(partial=False):
            return False
        if rule.mode == "window":
            return not any(rule.breaches(self.value(end, over) or 0.0) for over in (rule.over, rule.lately))
        bad = sum(rule.breaches(s.value or 0.0) for s in self.window(end, rule.over))
        return bad <= (rule.tolerate if rule.direction == "go" else 0)
