"""Whether the database gives a new connection, asked open loop: a try is sent every so often, whatever became of the
ones before, so that a server that hangs is a failure a try, and not one long wait."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from dataclasses import dataclass

import psycopg2

from metrics.samples import Measurement, utc_now
from metrics.sources.connect_errors import failure_of, misuse_of
from metrics.sources.connecting import connected

APPLICATION_NAME = "tminus-probe"
METRIC = "pg.connect_failures"
_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Tried:
    """How one try ended: FAILED how, "" when it did not; MISUSED: what is wrong with the question instead."""

    failed: str = ""
    misused: str = ""


class ConnectProbe:
    """Tries URL every EVERY seconds; a try that takes longer than TIMEOUT seconds has failed. `start` and `stop` it.

    Each try is a connection as an application makes it, one statement, and a close, in a daemon thread of its own.
    """

    def __init__(self, url: str, every: float, timeout: float) -> None:
        self._url, self._every, self._timeout = url, every, timeout
        self._ended: list[Tried] = []
        self._out = 0
        self._tries: set[asyncio.Task[None]] = set()
        self._schedule: asyncio.Task[None] | None = None
        self.done = 0  # connections that were made and closed: transactions of our own

    def start(self) -> None:
        """Begin to try. Needs a running loop."""
        if self._schedule is None:
            self._schedule = asyncio.create_task(self._go_on())

    async def stop(self) -> None:
        """End every task. A thread that hangs ends by itself, and holds up nothing."""
        tasks = [*self._tries, *([self._schedule] if self._schedule else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._schedule = None

    def take(self) -> Measurement:
        """What ended since the last call: the part of the tries that the database failed."""
        ended, self._ended = self._ended, []
        at = utc_now()
        if misused := next((one.misused for one in ended if one.misused), ""):
            return Measurement(METRIC, None, 0, "ratio", at, error=f"PostgreSQL: {misused}")
        if not ended:
            return Measurement(METRIC, None, 0, "ratio", at, {"why": f"{self._out} tries on their way"})
        failed = [one.failed for one in ended if one.failed]
        detail: dict[str, float | str] = {"why": ", ".join(sorted(set(failed)))} if failed else {}
        return Measurement(METRIC, len(failed) / len(ended), len(ended), "ratio", at, detail, bad=float(len(failed)))

    async def _go_on(self) -> None:
        while True:
            if self._out >= _AT_ONCE:
                self._ended.append(Tried("too many tries without an answer"))
            else:
                task = asyncio.create_task(self._try())
                self._tries.add(task)
                task.add_done_callback(self._tries.discard)
            await asyncio.sleep(self._every)

    async def _try(self) -> None:
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[Tried] = loop.create_future()

        def settle(tried: Tried) -> None:
            self._out -= 1
            self.done += not tried.failed and not tried.misused
            if not answered.done():
                answered.set_result(tried)

        def work() -> None:
            tried = self._connect()
            with suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(settle, tried)

        self._out += 1
        threading.Thread(target=work, name="metrics-probe", daemon=True).start()
        try:
            async with asyncio.timeout(self._timeout):
                self._ended.append(await answered)
        except TimeoutError:  # within this time an application gives up too
            self._ended.append(Tried("no answer"))

    def _connect(self) -> Tried:
        try:
            connection = connected(self._url, APPLICATION_NAME, self._timeout)
            try:
                connection.autocommit = True
                connection.cursor().execute("select 1")
            finally:
                connection.close()
        except psycopg2.Error as error:
            text = str(error)
            failed = failure_of(text)
            misused = "" if failed else misuse_of(text) or f"{type(error).__name__}, of an unknown kind"
            return Tried(failed, misused)
        except Exception as error:  # a try that cannot even be made is never silently well
            return Tried(misused=f"{type(error).__name__} while connecting")
        return Tried()
