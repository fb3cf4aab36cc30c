"""Copying text to the clipboard of the machine that the person sits at, over SSH and through tmux.

tmux drops a bare OSC 52 in its stock settings, and takes `load-buffer -w`, which hands the text on to the terminal
outside (`man tmux`, load-buffer; tmux 3.2 and newer). Nobody acknowledges either: a file is written as well.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress

PATIENCE = 2.0  # seconds that tmux has


async def copy(text: str, environment: Mapping[str, str], osc52: Callable[[str], object]) -> str:
    """Send TEXT on its way; returns by which way, in words. OSC52 sends it to the terminal itself."""
    if environment.get("TMUX"):
        if await _by_tmux(text):
            return "by tmux (also in its buffer: prefix ] pastes it)"
        osc52(text)
        return "by the terminal, since tmux did not take it"
    osc52(text)
    return "by the terminal (OSC 52), if it allows that"


async def _by_tmux(text: str) -> bool:
    quiet = asyncio.subprocess.DEVNULL
    try:
        tmux = await asyncio.create_subprocess_exec(
            "tmux", "load-buffer", "-w", "-", stdin=asyncio.subprocess.PIPE, stdout=quiet, stderr=quiet
        )
    except OSError:
        return False
    try:
        async with asyncio.timeout(PATIENCE):
            await tmux.communicate(text.encode())
    except (TimeoutError, OSError):
        with suppress(ProcessLookupError):
            tmux.kill()
        return False
    return tmux.returncode == 0
