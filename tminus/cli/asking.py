"""Questions to a person at a terminal. The answer is awaited: the run is followed meanwhile, and Ctrl+C ends it."""

from __future__ import annotations

import asyncio
import sys
import termios

import click

from tminus.cli.common import DOES_NOT_HOLD, end


async def typed(question: str) -> str:
    """What the person types after QUESTION, without the spaces around it. What was typed before it does not count.

    Ends with 1 when the input ends instead.
    """
    termios.tcflush(sys.stdin.fileno(), termios.TCIFLUSH)
    click.echo(f"{question} ", nl=False, err=True)
    loop, ready = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(sys.stdin.fileno(), ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(sys.stdin.fileno())
    line = sys.stdin.readline()
    if not line:
        end(DOES_NOT_HOLD, "\nno answer: nothing was done")
    return line.strip()


async def agrees(question: str) -> bool:
    """Whether the person says yes to QUESTION; anything else is no."""
    return (await typed(f"{question} [y/N]")).lower() in ("y", "yes")


async def must_agree(question: str) -> None:
    """Ends with 1 unless the person says yes to QUESTION."""
    if not await agrees(question):
        end(DOES_NOT_HOLD, "no: nothing was done")
