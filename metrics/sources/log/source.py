"""The source of `[metrics.log]`."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path

from metrics.latency import Latency
from metrics.samples import Measurement, clock
from metrics.sources import Source, SourceError
from metrics.sources.log.command import Output
from metrics.sources.log.follow import Follower
from metrics.sources.log.measured import METRICS, measurements
from metrics.sources.log.reader import Reader, Stream
from metrics.sources.log.reading import Reading, Rules
from metrics.tables import Table
from state.clean import clean

KEYS: Mapping[str, str] = {
    "path": "the file to follow, relative to the checklist's folder; this, paths or command is needed",
    "paths": "several files, counted together",
    "command": "or a command whose standard output is followed, as a list of words; run again when it ends",
    "from": 'of files: "end" counts what is added from now on; "start" also what is in them; "end"',
    "format": '"auto", "combined" (also common), "json" (one object a line) or "errors" (no access log); "auto"',
    "duration": 'unit of the duration at the end of an access line, or of the JSON field: "us", "ms" or "s"; "none"',
    "auth_paths": "what the paths of authentication begin with, for log.auth_failures; all requests",
    "over": 'the window of log.p50, log.p95 and log.p99; "60s"',
    "interval": 'between two samples; "5s"',
}
_STOP = 5.0  # seconds that the thread has to let go; a command needs up to two


class LogSource:
    """Follows PATHS, or the output of COMMAND, and says every INTERVAL seconds what was added.

    over        seconds of the window of the percentiles
    from_start  whether what stands in the files already counts too
    rules       how the lines are to be read

    Requests count when they arrive here; a log that is shipped late says so in the detail "lag_s". While a
    backlog is read there is no data, because its lines are not of now. Any of several files that cannot be
    followed makes everything no data. A silent log that is followed is 0 errors, and that is data.
    """

    name: str = "log"
    metrics = METRICS

    def __init__(
        self,
        paths: Sequence[Path] = (),
        *,
        command: Sequence[str] = (),
        rules: Rules | None = None,
        from_start: bool = False,
        over: float = 60.0,
        interval: float = 5.0,
    ) -> None:
        if interval <= 0 or over < interval:
            raise ValueError("interval is over 0, and over is not shorter")
        if bool(paths) == bool(command):
            raise ValueError("a log is paths or a command")
        self.interval, self._over = interval, over
        self._paths, self._command = tuple(paths), tuple(command)
        self._rules, self._from_start = rules or Rules(), from_start
        self._reader: Reader | None = None
        self._ended = asyncio.Event()
        self._parts: deque[tuple[float, bytes]] = deque()

    async def start(self) -> None:
        if self._reader is not None:
            return
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        self._ended, self._reader = ended, Reader(self._streams())

        def on_end() -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(ended.set)

        self._reader.start(on_end)

    async def stop(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.stop()
            try:
                await asyncio.wait_for(self._ended.wait(), _STOP)
            except TimeoutError:
                raise SourceError("the log's reader hangs in the system and is left behind") from None

    async def sample(self) -> tuple[Measurement, ...]:
        """Raises SourceError when the source is not started."""
        if self._reader is None:
            raise SourceError("the source is not started")
        report, now = self._reader.report(), clock()
        if report.fresh.samples:
            self._parts.append((now, report.fresh.encoded()))
        while self._parts and self._parts[0][0] <= now - self._over:
            self._parts.popleft()
        window = Latency.merged(part for _, part in self._parts)
        timed = bool(self._rules.duration) or report.fresh.samples > 0 or window.samples > 0
        return measurements(report, window, self._over, timed=timed)

    def _streams(self) -> list[tuple[str, Stream]]:
        if self._command:
            return [("the command", Output(self._command, Reading(self._rules)))]
        return [
            (clean(path.name), Follower(path, Reading(self._rules), from_start=self._from_start))
            for path in self._paths
        ]


def build(table: Table) -> Source:
    """The source of `[metrics.log]`."""
    path, paths = table.take("path"), table.texts("paths", ())
    command = table.texts("command", ())
    if path is not None and (not isinstance(path, str) or not path):
        raise table.wrong("path", "must be a text")
    if (path is not None) + bool(paths) + bool(command) != 1:
        raise table.wrong("path", "is needed, or paths, or command, and only one of them")
    over, interval = table.seconds("over", 60.0), table.seconds("interval", 5.0)
    if over < interval:
        raise table.wrong("over", "must not be shorter than interval")
    rules = Rules(
        format=table.choice("format", "auto", "combined", "json", "errors"),
        duration=unit if (unit := table.choice("duration", "none", "us", "ms", "s")) != "none" else "",
        auth_paths=table.texts("auth_paths", ()),
    )
    start = table.choice("from", "end", "start") == "start"
    files = [table.base / one for one in ((path,) if path else paths)]
    return LogSource(files, command=command, rules=rules, from_start=start, over=over, interval=interval)
