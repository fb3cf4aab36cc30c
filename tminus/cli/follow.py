"""`tminus status --watch`: what changes, a line each. Nothing is drawn again, and the cursor only goes on."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import click
import msgspec

from state.durations import format_duration
from state.events import utc_text
from tminus.cli.common import COULD_NOT_LOOK, HOLDS, INTERRUPTED, Caller, Stop, end, find_place, no_engine, your_name
from tminus.cli.show import facts_of, fitted, status_lines
from tminus.client.changes import Change, changes
from tminus.client.connection import Client, EngineGone, NotUnderstood, OtherVersion
from tminus.client.messages import View

KIND = "watcher"
STEADY = 10.0  # seconds
AGAIN = 1.0  # seconds between two looks for an engine that has gone


def follow(caller: Caller, *, utc: bool, at_most: int, patience: float) -> int:
    """Print the status, and then what changes, until the run is closed; the exit code.

    An engine that has gone is waited for, PATIENCE seconds at the most. Lines come AT_MOST so many a second: what
    changes meanwhile is told by what it came to. UTC: times are in UTC, not those of the clock here.
    """
    teller = Teller(caller, utc, deque(maxlen=at_most))
    try:
        return asyncio.run(_follow(caller, teller, patience))
    except Stop as stop:
        if not caller.as_json:
            raise
        teller.put({"kind": "error", "id": "", "words": stop.message})
        return stop.code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # whoever read it has left
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return HOLDS


async def _follow(caller: Caller, teller: Teller, patience: float) -> int:
    name, told, lost, since = your_name(caller.name), View(), 0.0, Since()
    while True:
        client = Client(find_place(caller.checklist).socket, name=name, kind=KIND, watch=True)
        try:
            async with client:
                if not told.phases:
                    told = _others(client.view, client)
                    await teller.begin(told)
                elif lost:
                    await teller.say([Change("engine", "", "is back")])
                lost = 0.0
                with contextlib.suppress(EngineGone):
                    async for seen in client.updates():
                        view, since = steady(told, _others(seen, client), since, time.monotonic())
                        await teller.say(changes(told, view))
                        told = view
                view = _others(client.view, client)
                await teller.say(changes(told, view))  # its last words
                told = view
                raise EngineGone("has gone")
        except (OtherVersion, NotUnderstood) as error:
            end(COULD_NOT_LOOK, str(error))
        except EngineGone as error:
            if not told.phases:
                end(COULD_NOT_LOOK, no_engine(error, caller))
            if told.run.closed:
                await teller.say([Change("engine", "", "has ended: the run is closed")])
                return HOLDS
        if not lost:
            lost = time.monotonic()
            await teller.say([Change("engine", "", f"has gone; waiting for it, {format_duration(patience)} at most")])
        if time.monotonic() - lost >= patience:
            end(COULD_NOT_LOOK, f"no engine came back in {format_duration(patience)}")
        await asyncio.sleep(min(AGAIN, patience))


def _others(view: View, client: Client) -> View:
    """VIEW without ourselves among the people."""
    me = (client.welcome.uid, client.welcome.name) if client.welcome else (-1, "")
    others = tuple(one for one in view.run.people if one.kind != KIND or (one.uid, one.name) != me)
    return msgspec.structs.replace(view, run=msgspec.structs.replace(view.run, people=others))


Since = dict[str, tuple[str, float]]
"""Metric → its status, and the moment since which it has it."""


def steady(told: View, view: View, since: Since, now: float) -> tuple[View, Since]:
    """VIEW, but for metrics that only just changed: they stay as they were TOLD until they have kept their status for
    STEADY seconds, so that one that goes to and fro says nothing. What is bad is told at once."""
    metrics, kept = dict(view.metrics), Since()
    for name, metric in view.metrics.items():
        status, began = since.get(name, (metric.status, now))
        kept[name] = (metric.status, began if status == metric.status else now)
        before = told.metrics.get(name)
        if before is not None and metric.status not in (before.status, "bad") and now - kept[name][1] < STEADY:
            metrics[name] = before
    return msgspec.structs.replace(view, metrics=metrics), kept


@dataclass(frozen=True)
class Teller:
    """Prints for CALLER, with times in UTC or of the clock here; the moments of the last lines are in `came`."""

    caller: Caller
    utc: bool
    came: deque[float]

    async def begin(self, view: View) -> None:
        """Print where the run stands."""
        if self.caller.as_json:
            self.put({"kind": "status", **facts_of(view)})
            return
        click.echo("\n".join(fitted(status_lines(view))))
        zone = "UTC" if self.utc else f"those of the clock here ({datetime.now().astimezone():%Z})"
        await self.say([Change("watching", "", f"what changes is told from here on; times are {zone}")])

    async def say(self, told: Sequence[Change]) -> None:
        """Print a line for each change, no faster than it may be."""
        for change in told:
            await asyncio.sleep(due_in(self.came, time.monotonic(), self.came.maxlen or 1))
            self.came.append(time.monotonic())
            if self.caller.as_json:
                self.put(msgspec.to_builtins(change))
            else:
                now = datetime.now(UTC)
                at = f"{now:%H:%M:%SZ}" if self.utc else f"{now.astimezone():%H:%M:%S}"
                click.echo("\n".join(fitted([f"{at} {change}"])))

    def put(self, facts: Mapping[str, Any]) -> None:
        """Print FACTS as one line of JSON, with the moment."""
        click.echo(msgspec.json.encode({"utc": utc_text(datetime.now(UTC)), **facts}).decode())


def due_in(came: Collection[float], now: float, at_most: int) -> float:
    """Seconds until the next line may come at NOW, when the last ones CAME then and AT_MOST may in one second.

    >>> due_in([10.0, 10.2], 10.5, 3), due_in([10.0, 10.2, 10.4], 10.5, 3), due_in([1.0, 1.1, 1.2], 10.5, 3)
    (0.0, 0.5, 0.0)
    """
    return max(min(came) + 1.0 - now, 0.0) if len(came) >= at_most else 0.0
