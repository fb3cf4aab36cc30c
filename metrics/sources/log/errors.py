"""Errors in a log of lines: how many events, and which known texts they hold.

A search for all words at once (Aho-Corasick, several hundred MB/s) says which lines need a look; the others are
never touched. A traceback with its chained ones, its exception and what that says is one event.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import Enum

import ahocorasick_rs

from metrics.known import TOKENS, is_bad, known_in
from metrics.sources.log.tally import Tally

# What a line says: whether it is of ERROR or worse, and its known text.
Judge = Callable[[bytes], tuple[bool, str | None]]

_TRACEBACK = b"Traceback (most recent call last)"
_SEARCH = ahocorasick_rs.BytesAhoCorasick(TOKENS, implementation=ahocorasick_rs.Implementation.DFA)
# Where a record of its own begins, even though the traceback before it was not finished.
_RECORD = re.compile(rb"\[?\d{4}-\d\d-\d\d[T ]|\[\d\d/[A-Z][a-z]{2}/\d{4}|\{\"|\d{1,3}(?:\.\d{1,3}){3} ")
_CHAINED = re.compile(rb"During handling of the above exception|The above exception was the direct cause")
# What SQLAlchemy, libpq and PostgreSQL write on further lines of a message.
_MESSAGE = re.compile(
    rb"\(Background on this error|\[SQL|\[parameters|\[generated in"
    rb"|connection to server at |DETAIL:|HINT:|CONTEXT:|LINE \d"
)


class _In(Enum):
    LINE = 0  # after a line that a traceback may follow
    FRAMES = 1
    MESSAGE = 2
    CHAIN = 3  # after the words that announce another traceback


class ErrorScan:
    """The errors of one stream, block by block. What belongs together may lie in two blocks."""

    def __init__(self) -> None:
        self._in: _In | None = None
        self._bad = False
        self._known: str | None = None

    def feed(self, block: bytes, tally: Tally, judge: Judge) -> None:
        """Count the events of BLOCK, which is of whole lines, into TALLY. JUDGE is asked about lines that hold
        a token and are in no traceback."""
        marked = _marked(block)
        at = self._follow(block, 0, marked, tally)
        for start, end in marked.items():
            if start < at:
                continue
            line = block[start:end]
            bad, known = judge(line)
            at = end + 1
            if not bad and known is None:
                continue
            self._bad, self._known = False, None
            self._in = _In.FRAMES if line.startswith(_TRACEBACK) else _In.LINE
            self._count(bad, known, tally)
            at = self._follow(block, at, marked, tally)

    def _count(self, bad: bool, known: str | None, tally: Tally) -> None:
        """Counts at once and not at the event's end, which may not come before the next error."""
        if bad and not self._bad:
            self._bad = True
            tally.errors += 1
        if known is not None and self._known is None:
            self._known = known
            tally.known[known] += 1

    def _follow(self, block: bytes, at: int, marked: dict[int, int], tally: Tally) -> int:
        """Goes through the lines of the event that is open; where the first line stands that is not of it."""
        while self._in is not None and at < len(block):
            end = block.index(b"\n", at)
            line = block[at : min(end, at + 128)]
            self._in = _next(self._in, line)
            if self._in is None:
                break
            if at in marked:
                self._count(line.startswith(_TRACEBACK), known_in(block[at:end]), tally)
            at = end + 1
        return at


def _next(state: _In, line: bytes) -> _In | None:
    """Where the event is with LINE added; None when LINE is not of it."""
    if state is _In.LINE:
        return _In.FRAMES if line.startswith(_TRACEBACK) else None
    if not line or line[:1] in b" \t\r":
        return state
    if state is _In.FRAMES:
        return None if _RECORD.match(line) else _In.MESSAGE
    if state is _In.CHAIN:
        return _In.FRAMES if line.startswith(_TRACEBACK) else None
    if _CHAINED.match(line):
        return _In.CHAIN
    return _In.MESSAGE if _MESSAGE.match(line) else None


def _marked(block: bytes) -> dict[int, int]:
    """The lines that hold a token: end by start, in order."""
    lines: dict[int, int] = {}
    end = -1
    for _, start, _ in _SEARCH.find_matches_as_indexes(block):
        if start > end:
            begin, end = block.rfind(b"\n", 0, start) + 1, block.index(b"\n", start)
            lines[begin] = end
    return lines


def plain(line: bytes) -> tuple[bool, str | None]:
    """The judge of a log without access lines."""
    return is_bad(line), known_in(line)
