"""Following the engine: every change becomes one message; an engine that has gone is looked for every second."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from textual.message import Message

from tminus.client import Client, EngineGone
from tminus.client.messages import View

BETWEEN_VIEWS = 0.25
"""Seconds: a flood of changes is shown at most four times a second; the first of a flood at once."""

RETRY = 1.0


class Told(Message):
    """The engine told the state of the run. A newer one takes the place of an older that still waits."""

    def __init__(self, client: Client, view: View) -> None:
        super().__init__()
        self.client = client
        self.view = view

    def can_replace(self, message: Message) -> bool:
        """Only the newest counts."""
        return isinstance(message, Told)


class Lost(Message):
    """No engine answers; `why` says what happened."""

    def __init__(self, why: str) -> None:
        super().__init__()
        self.why = why


async def follow(socket: Path, name: str, kind: str, post: Callable[[Message], object]) -> None:
    """Tell POST what the engine at SOCKET says, for ever; it connects again whenever the engine comes back."""
    while True:
        try:
            async with Client(socket, name=name, kind=kind, watch=True) as client:
                async for view in client.updates():
                    post(Told(client, view))
                    await asyncio.sleep(BETWEEN_VIEWS)
        except EngineGone as error:
            post(Lost(str(error)))
        await asyncio.sleep(RETRY)
