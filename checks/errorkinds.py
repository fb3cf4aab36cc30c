"""Errors in a log by their kind: what is left of a line when all that differs from time to time is masked. Pure."""

from __future__ import annotations

import re

from metrics.known import BAD, KNOWN, SEVERITY
from state.clean import clean, shorten

_LONGEST = 200
_LOOKED = 1000  # characters of a line: what differs stands early or not at all
_REQUEST = re.compile(r'"([A-Z]+) ([^ ?"]*)[^"]*" (5\d\d) (?:\d+|-)')
_MASKS = (
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?\s?(?:Z|UTC|GMT|[+-]\d\d:?\d\d)?"), ""),
    (re.compile(r"\[\d\d/[A-Z][a-z]{2}/\d{4}:[\d: +-]+\]"), ""),
    (re.compile(r"""'(?:[^'\\]|\\.){0,300}?'|"(?:[^"\\]|\\.){0,300}?\""""), "…"),
    (re.compile(r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+"), "…"),
    (re.compile(r"\b(?=\w*\d)(?:0x)?[0-9a-fA-F]{6,}(?:-[0-9a-fA-F]{4,})*\b"), "#"),
    (re.compile(r"\d+(?:\.\d+)*"), "#"),
    (re.compile(r"(?:\[\s*\]|\s)+"), " "),
)


def kind_of(line: str) -> str | None:
    """The kind of the error that LINE tells of; None of a line that tells of none.

    >>> kind_of("[2026-11-22 20:08:17 +0000] [7] [ERROR] order 17 of 'ada' failed")
    '[#] [ERROR] order # of … failed'
    >>> kind_of('1.2.3.4 - - [22/Nov/2026:20:08:17 +0000] "GET /posts/17?a=b HTTP/1.1" 502 12')
    'http 502 GET /posts/#'
    """
    request = _REQUEST.search(line)
    if request is not None:
        return masked(f"http {request[3]} {request[1]} {request[2]}").replace("http #", f"http {request[3]}", 1)
    severity = SEVERITY.search(line)
    bad = severity is not None and severity[1] in BAD
    if not bad and not any(pattern.search(line) for pattern in KNOWN.values()):
        return None
    return masked(line)


def masked(text: str) -> str:
    """TEXT without times, numbers, ids, addresses and what is quoted."""
    text = clean(text[:_LOOKED])
    for pattern, instead in _MASKS:
        text = pattern.sub(instead, text)
    return shorten(text.strip(), _LONGEST)


class Kinds:
    """Takes the lines of a log in their order. A traceback's kind is the exception at its end."""

    def __init__(self) -> None:
        self._tracing = False

    def take(self, line: str) -> str | None:
        """The kind of the error that is told with LINE, if one is."""
        if self._tracing:
            if not line or line[:1].isspace() or line.startswith("Traceback"):
                return None
            self._tracing = False
            return masked(line)
        if "Traceback (most recent call last)" in line:
            self._tracing = True
            return None
        return kind_of(line)
