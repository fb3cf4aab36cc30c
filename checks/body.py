"""The innermost part of a look: a check's function, sync or async, called with its arguments."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from checks.contract import CheckSpec, Context, Stopped
from state.verdicts import Outcome

_TICK = 0.05


OUT_OF_TIME = "give it a longer timeout, or see why it hangs"
AGAIN = "run it again when you are ready"


def answer_of(
    spec: CheckSpec,
    context: Context,
    arguments: Mapping[str, Any],
) -> object:
    """What the check's function returns. Blocks; an async function gets an event loop of its own here.

    An async check is cancelled when the context is; a sync one looks at `ctx.cancelled` itself. That something
    took too long, or was stopped, is an answer; anything else that it raises is raised here.
    """
    try:
        if inspect.iscoroutinefunction(spec.function):
            return asyncio.run(_watched(spec.function, context, arguments))
        return spec.function(context, **arguments)
    except TimeoutError as error:
        return Outcome.error(f"out of time: {cause_of(error)}", hint=OUT_OF_TIME)
    except (Stopped, asyncio.CancelledError):
        return Outcome.error("cancelled", hint=AGAIN)


async def _watched(
    function: Callable[..., Awaitable[object]], context: Context, arguments: Mapping[str, Any]
) -> object:
    look = asyncio.ensure_future(function(context, **arguments))
    while True:
        done, _ = await asyncio.wait([look], timeout=_TICK)
        if done:
            return look.result()
        if context.cancelled.is_set():
            look.cancel()
            await asyncio.wait([look])
            return look.result()


def cause_of(error: BaseException) -> str:
    """An exception in one line, as a person reads it; its kind alone where it cannot even say what it is."""
    try:
        lines = str(error).strip().splitlines()
    except Exception:
        lines = []
    return f"{type(error).__name__}: {lines[0].strip()}" if lines else type(error).__name__
