"""A picture of the cockpit without a terminal: for the README, and for whoever wants to see a run as it is.

python -m tui.picture SOCKET OUT.svg [WIDTH HEIGHT] [KEY ...]
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from tui.app import Cockpit
from tui.capture import svg_of
from tui.theme import Look

PATIENCE = 10.0


async def render_svg(
    socket: Path,
    size: tuple[int, int] = (160, 48),
    keys: Sequence[str] = (),
    *,
    name: str = "picture",
    read_only: bool = True,
) -> str:
    """The cockpit on the engine at SOCKET, SIZE (columns, rows), after KEYS were pressed, as SVG.

    It goes in read-only unless asked otherwise: keys then only move about. Raises TimeoutError when no engine
    answers within ten seconds.
    """
    app = Cockpit(socket, name=name, read_only=read_only, look=Look("tminus-dark", False, False))
    async with app.run_test(size=size) as pilot:
        async with asyncio.timeout(PATIENCE):
            while not app.scene.connected:
                await pilot.pause(0.05)
        for key in keys:
            await pilot.press(key)
        await pilot.pause(0.3)
        return svg_of(app, app.scene.view.run.title)


def main(arguments: Sequence[str]) -> int:
    """Write one picture."""
    if len(arguments) < 2:
        sys.stderr.write("usage: python -m tui.picture SOCKET OUT.svg [WIDTH HEIGHT] [KEY ...]\n")
        return 2
    socket, out, *rest = arguments
    size = (int(rest[0]), int(rest[1])) if len(rest) >= 2 else (160, 48)
    Path(out).write_text(asyncio.run(render_svg(Path(socket), size, rest[2:])), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
