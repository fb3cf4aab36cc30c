"""The thread that reads logs, so that nothing of it happens in the event loop."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from metrics.latency import Latency
from metrics.samples import clock
from metrics.sources.log.reading import Health, Reading
from metrics.sources.log.tally import Tally

PAUSE = 0.2  # seconds between two looks
SLICE = 0.25  # seconds of reading after which one that has not come to the end is behind


class Stream(Protocol):
    """Where log lines come from: a file or a command."""

    reading: Reading
    gaps: int

    def poll(self, budget: float, go_on: Callable[[], bool]) -> Health: ...
    def take(self) -> Tally: ...
    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Report:
    """What was read since the report before.

    tally     of all streams
    total     of all streams since the start
    fresh     the durations of TALLY; those of a backlog are not in it
    healths   each stream's, by its name; empty before the first look
    behind    bytes that were still unread at the last look
    caught    whether every look since the report before came to the end of what there was
    requests  whether one of the streams is an access log
    formats   what each stream is taken for
    gaps      files that were cut with the rest found nowhere
    elapsed   seconds since the report before
    silent    seconds since the thread last came back from reading
    broken    the type of the error that ended the thread; "" while it runs
    """

    tally: Tally
    total: Tally
    fresh: Latency
    healths: tuple[tuple[str, Health], ...]
    behind: int
    caught: bool
    requests: bool
    formats: tuple[str, ...]
    gaps: int
    elapsed: float
    silent: float
    broken: str


class Reader:
    """Reads STREAMS, by name, every PAUSE seconds in a thread of its own from `start` to `stop`."""

    def __init__(self, streams: Sequence[tuple[str, Stream]], now: Callable[[], float] = clock) -> None:
        self._streams, self._now = tuple(streams), now
        self._lock, self._stop = threading.Lock(), threading.Event()
        self._tally, self._total, self._fresh = Tally(), Tally(), Latency()
        self._healths: tuple[tuple[str, Health], ...] = ()
        self._caught, self._broken = True, ""
        self._taken = self._looked = now()

    def start(self, on_end: Callable[[], None]) -> None:
        """Begin; ON_END is called by the thread when it has let go of everything."""
        threading.Thread(target=self._run, args=(on_end,), name="metrics-log", daemon=True).start()

    def stop(self) -> None:
        """Ask the thread to end."""
        self._stop.set()

    def report(self) -> Report:
        """What was read since the report before."""
        with self._lock:
            now, total = self._now(), Tally()
            total.add(self._total)
            report = Report(
                self._tally,
                total,
                self._fresh,
                self._healths,
                sum(health.behind for _, health in self._healths),
                self._caught,
                any(stream.reading.has_requests for _, stream in self._streams),
                tuple(stream.reading.format or "not decided yet" for _, stream in self._streams),
                sum(stream.gaps for _, stream in self._streams),
                now - self._taken,
                now - self._looked,
                self._broken,
            )
            self._tally, self._fresh, self._taken = Tally(), Latency(), now
            self._caught = report.behind == 0
            return report

    def _run(self, on_end: Callable[[], None]) -> None:
        try:
            while not self._stop.is_set():
                if not self._look():
                    self._stop.wait(PAUSE)
        except Exception as error:  # whatever it is, the source must say that nobody reads any more
            self._broken = type(error).__name__
        finally:
            for _, stream in self._streams:
                stream.close()
            on_end()

    def _look(self) -> bool:
        """One look at every stream; whether there is more to read at once."""
        healths = tuple((name, stream.poll(SLICE, self._go_on)) for name, stream in self._streams)
        behind = any(health.behind for _, health in healths)
        tally = Tally()
        for _, stream in self._streams:
            tally.add(stream.take())
        fresh = Latency()
        for micros, count in {}.items() if behind else tally.durations.items():
            fresh.add(micros / 1e6, count)
        tally.durations.clear()
        with self._lock:
            self._looked = self._now()
            self._healths, self._caught = healths, self._caught and not behind
            self._tally.add(tally)
            self._total.add(tally)
            if fresh.samples:
                self._fresh.merge(fresh)
        return behind

    def _go_on(self) -> bool:
        return not self._stop.is_set()
