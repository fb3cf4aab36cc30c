"""The deck: where a replay stands and how it moves. Pure; time is handed in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from tminus.replay.tape import Tape
from tminus.replay.words import big

SPEEDS = (1.0, 2.0, 5.0, 10.0, 60.0, 300.0, 1000.0)


@dataclass(frozen=True)
class Deck:
    """A tape at MOMENT, after POSITION of its events, playing or not at SPEED."""

    tape: Tape
    moment: datetime
    position: int
    speed: float = 60.0
    playing: bool = False

    @classmethod
    def of(cls, tape: Tape, speed: float = 60.0) -> Deck:
        """TAPE at its beginning: the first event has happened."""
        return cls(tape, tape.begin, tape.position(tape.begin), speed)

    @property
    def at_end(self) -> bool:
        """Whether there is nothing after this."""
        return self.moment >= self.tape.end and self.position == len(self.tape.events)

    def after(self, seconds: float) -> Deck:
        """SECONDS of a wall clock later. It stops at the end."""
        if not self.playing:
            return self
        left = (self.tape.end - self.moment).total_seconds()
        # Compared before it is added: a long time at a high speed is beyond the calendar.
        there = seconds * self.speed >= left
        moment = self.tape.end if there else self.moment + timedelta(seconds=seconds * self.speed)
        position = max(self.position, self.tape.position(moment))
        return replace(self, moment=moment, position=position, playing=not there)

    def at(self, moment: datetime) -> Deck:
        """At MOMENT, or at the end of the tape that is nearer to it."""
        moment = min(max(moment, self.tape.begin), self.tape.end)
        return replace(self, moment=moment, position=self.tape.position(moment))

    def at_event(self, number: int) -> Deck:
        """Just after the event NUMBER (1 is the first), or the nearest that there is."""
        number = min(max(number, 1), len(self.tape.events))
        return replace(self, moment=self.tape.times[number - 1], position=number)

    def moved(self, move: str) -> Deck:
        """After one of MOVES. Raises KeyError for another."""
        return MOVES[move](self)

    def _toggled(self) -> Deck:
        if not self.playing and self.at_end:
            return replace(self.at_event(1), playing=True)
        return replace(self, playing=not self.playing)

    def _faster(self) -> Deck:
        return replace(self, speed=next((one for one in SPEEDS if one > self.speed), max(self.speed, SPEEDS[-1])))

    def _slower(self) -> Deck:
        return replace(self, speed=next((one for one in reversed(SPEEDS) if one < self.speed), min(self.speed, 1.0)))

    def _next(self) -> Deck:
        return self.at_event(self.position + 1) if self.position < len(self.tape.events) else self._ended()

    def _back(self) -> Deck:
        # Between two events the one before is gone to first, as a player of music does.
        within = self.position and self.moment > self.tape.times[self.position - 1]
        return self.at_event(self.position if within else self.position - 1)

    def _next_big(self) -> Deck:
        ahead = range(self.position + 1, len(self.tape.events) + 1)
        found = next((number for number in ahead if big(self.tape.events[number - 1])), None)
        return self._ended() if found is None else self.at_event(found)

    def _back_big(self) -> Deck:
        found = [number for number in range(1, self.position) if big(self.tape.events[number - 1])]
        return self.at_event(found[-1] if found else 1)

    def _ended(self) -> Deck:
        return replace(self, moment=self.tape.end, position=len(self.tape.events), playing=False)


MOVES: Mapping[str, Callable[[Deck], Deck]] = {
    "play": Deck._toggled,
    "faster": Deck._faster,
    "slower": Deck._slower,
    "event-next": Deck._next,
    "event-back": Deck._back,
    "big-next": Deck._next_big,
    "big-back": Deck._back_big,
    "begin": lambda deck: deck.at_event(1),
    "end": Deck._ended,
}
