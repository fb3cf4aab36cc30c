"""Where a deed is done: what is on the screen, a person to ask, an engine to ask."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import msgspec

from tminus.client import Client, EngineGone
from tminus.client.requests import Plan, Request, ShowPlan
from tui.choosing import Choice
from tui.dialogs import Question
from tui.scene import Scene

REASON = 10
"""Characters that a reason must have: shorter ones explain nothing afterwards."""


class Desk(Protocol):
    """The cockpit, as a deed knows it."""

    @property
    def scene(self) -> Scene: ...
    @property
    def client(self) -> Client | None: ...
    async def ask(self, question: Question) -> str | None: ...
    async def pick(self, choice: Choice) -> str: ...
    def say(self, text: str, severity: Any = "information") -> None: ...
    def drive_here(self) -> None: ...


Deed = Callable[[Desk], Awaitable[Request | None]]


async def plan_of(desk: Desk, item: str) -> Plan:
    """What the change of ITEM would do, as the engine says now. Raises Refused, EngineGone."""
    if desk.client is None:
        raise EngineGone("the engine has gone: nothing was recorded")
    return msgspec.convert((await desk.client.ask(ShowPlan(item=item))).data, Plan)
