"""The last border: whatever is printed is plain text, whoever wrote it.

What comes through the engine is cleaned already. Much does not: a file that is quoted, a server's own words, a
traceback. No command is trusted to remember that, so the streams themselves see to it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Any, TextIO

from state.clean import clean


def lines_of(text: str) -> str:
    r"""TEXT with its line ends and tabs, and nothing else that a terminal would act on.

    >>> lines_of("one\x1b]0;never ended\ntwo\r\x9b2J")
    'one\ntwo '
    """
    # Line by line: a sequence without its end would take all that follows with it.
    return text if text.isprintable() else "\n".join(clean(line, keep="\t") for line in text.split("\n"))


class Outlet:
    """STREAM, through which only plain text leaves, and of that what REDACT leaves of it.

    It has no `buffer`: there is no way around it but `bare`.
    """

    def __init__(self, stream: TextIO, redact: Callable[[str], str] = str) -> None:
        self._stream, self._redact = stream, redact

    def write(self, text: str) -> int:
        """Write TEXT, cleaned; letters that the encoding lacks become "?"."""
        encoding = self._stream.encoding or "utf-8"
        self._stream.write(self._redact(lines_of(text)).encode(encoding, "replace").decode(encoding))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write each of LINES."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        if name in ("buffer", "detach"):
            raise AttributeError(name)
        return getattr(self._stream, name)


def guard_output(redact: Callable[[str], str] = str) -> None:
    """Let nothing but plain text leave by stdout and stderr, redacted if need be. The cockpit draws on the terminal
    itself."""
    out, err = Outlet(bare(sys.stdout), redact), Outlet(bare(sys.stderr), redact)
    sys.stdout, sys.stderr = out, err


def bare(stream: TextIO) -> TextIO:
    """What is behind STREAM, for who draws with sequences of their own and cleans what stands between them."""
    return stream._stream if isinstance(stream, Outlet) else stream
