"""Following the engine: every change becomes one message; an engine that has gone is looked for every second."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from textual.message import Message

from tminus.client import Client, EngineGone, NotUnderstood, OtherVersion, TurnedAway
from tminus.client.messages import View

BETWEEN_VIEWS = 0.25
"""Seconds: a flood of changes is shown at most four times a second; the first of a flood at once."""

RETRY = 1.0
RETRY_NOT_UNDERSTOOD = 5.0
"""Seconds: an engine that sends rubbish again at once must not make the screen flicker."""

GONE, OTHER_VERSION, NOT_UNDERSTOOD = "ENGINE GONE", "ENGINE OF ANOTHER VERSION", "ENGINE NOT UNDERSTOOD"
TURNED_AWAY = "TURNED AWAY BY THE ENGINE"


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
    """There is no engine to talk to: `what` in three words, `why` says what happened."""

    def __init__(self, why: str, what: str = GONE) -> None:
        super().__init__()
        self.what = what
        self.why = why


async def follow(socket: Path, name: str, kind: str, post: Callable[[Message], object]) -> None:
    """Tell POST what the engine at SOCKET says, for ever; it connects again whenever the engine comes back."""
    while True:
        wait = RETRY
        try:
            async with Client(socket, name=name, kind=kind, watch=True) as client:
                async for view in client.updates():
                    post(Told(client, view))
                    await asyncio.sleep(BETWEEN_VIEWS)
        except EngineGone as error:
            post(Lost(str(error), _what(error)))
            wait = RETRY_NOT_UNDERSTOOD if isinstance(error, NotUnderstood) else RETRY
        await asyncio.sleep(wait)


def _what(error: EngineGone) -> str:
    match error:
        case OtherVersion():
            return OTHER_VERSION
        case NotUnderstood():
            return NOT_UNDERSTOOD
        case TurnedAway():
            return TURNED_AWAY
    return GONE
