"""Telling the others where this person looks: the item under the cursor, once the cursor has come to rest."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from textual.app import App
from textual.timer import Timer

from tminus.client import Client, EngineGone, Refused
from tminus.client.requests import Look

REST = 0.5
"""Seconds after the last move."""


class Looking:
    """Says WHERE the cursor is to whoever is the CLIENT then, when it is not what was said to them before."""

    def __init__(self, app: App[int], client: Callable[[], Client | None], where: Callable[[], str]) -> None:
        self._app = app
        self._client = client
        self._where = where
        self._timer: Timer | None = None
        self._said: tuple[Client | None, str] = (None, "")

    def moved(self) -> None:
        """The cursor moved, or there is another engine to tell."""
        if self._timer is not None:
            self._timer.stop()
        self._timer = self._app.set_timer(REST, self._say)

    def _say(self) -> None:
        client, item = self._client(), self._where()
        before = self._said[1] if self._said[0] is client else ""  # another engine was told nothing yet
        if client is not None and item != before:
            self._said = (client, item)
            self._app.run_worker(_tell(client, item), group="looking", exit_on_error=False)


async def _tell(client: Client, item: str) -> None:
    with suppress(EngineGone, Refused):  # it is for the others alone, and they see that the engine has gone
        await client.ask(Look(item=item))
