"""The end of a screen on SIGTERM, SIGHUP and a terminal that is gone: in good order, or at all in a broken write.

Textual writes through a thread with a short queue. When the terminal goes while it writes, that thread dies, the
queue fills, and the event loop waits on it for ever, so that no handler of the loop's own runs any more; the thread
that reads the keys then spins. A handler of the process still runs, and ends it. Where the terminal is not the one
that controls the process, the kernel sends no signal when it goes: a thread that waits for nothing else notices.
"""

from __future__ import annotations

import asyncio
import os
import select
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

GRACE = 2.0  # seconds in which a screen that still works has closed itself
_SIGNALS = (signal.SIGTERM, signal.SIGHUP)


class Leaving:
    """From `begin` to `end` the two signals, and the end of the terminal, close the screen by LEAVE, in the loop, or
    after GRACE the process."""

    def __init__(self) -> None:
        self._before: dict[signal.Signals, Any] = {}
        self._last_resort: threading.Timer | None = None
        self._over = threading.Event()

    def begin(self, loop: asyncio.AbstractEventLoop, leave: Callable[[], None]) -> None:
        """Take the signals over. Belongs to the main thread, as all signal handlers do."""

        def on_signal(*_: object) -> None:
            if self._last_resort is None:
                # The run goes on in its engine: nothing is lost with this process.
                self._last_resort = threading.Timer(GRACE, os._exit, (0,))
                self._last_resort.daemon = True
                self._last_resort.start()
            with suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(leave)

        self._before = {number: signal.signal(number, on_signal) for number in _SIGNALS}
        if os.isatty(0):
            threading.Thread(target=self._watch, args=(on_signal,), name="terminal-gone", daemon=True).start()

    def _watch(self, gone: Callable[[], None]) -> None:
        """Wait for nothing but the end of the terminal. Costs nothing while it is there."""
        terminal = select.poll()
        terminal.register(0, 0)  # what hangs up or fails is told unasked
        terminal.poll()
        if not self._over.is_set():
            gone()

    def end(self) -> None:
        """Give the signals back: the screen has closed."""
        self._over.set()
        if self._last_resort is not None:
            self._last_resort.cancel()
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}
