"""An answer read within bounds, and why there was none, in words."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator

import httpx

ASKING = {"Accept-Encoding": "gzip"}
"""Headers of every request. A piece of gzip grows a thousandfold at the most, one of brotli without a bound."""


def pieces_of(answer: httpx.Response, until: float = float("inf")) -> Iterator[bytes]:
    """The body of ANSWER as it comes, at most 64 MiB at a time; whoever reads it says how many pieces are enough.

    Raises httpx.DecodingError for a compression that was not asked for, or one within another, and
    httpx.ReadTimeout when it goes on after UNTIL (of time.monotonic), however steadily it drips.
    """
    coding = answer.headers.get("Content-Encoding", "identity").strip().lower()
    if coding not in ("identity", "gzip", ""):
        raise httpx.DecodingError("compressed in a way that was not asked for", request=answer.request)
    for piece in answer.iter_bytes():
        yield piece
        if time.monotonic() > until:
            raise httpx.ReadTimeout("it did not end", request=answer.request)


def why_no_answer(error: httpx.HTTPError, seconds: float | None = None) -> str:
    """ERROR as a person reads it: the certificate, the name, the port, or the time."""
    if (tls := caused_by(error, ssl.SSLError)) is not None:
        reason = getattr(tls, "verify_message", "") or getattr(tls, "reason", "") or str(tls)
        invalid = isinstance(tls, ssl.SSLCertVerificationError)
        return f"the certificate is not valid: {reason}" if invalid else f"TLS failed: {reason}"
    if caused_by(error, socket.gaierror) is not None:
        return "the host name is not known"
    if isinstance(error, httpx.TimeoutException):
        within = f" within {seconds:.0f} s" if seconds is not None else " in time"
        return f"no answer{within} ({type(error).__name__})"
    return f"no answer: {str(error) or type(error).__name__}"


def caused_by(error: BaseException, kind: type[BaseException]) -> BaseException | None:
    """The first of KIND among ERROR and what it came of; None when there is none."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, kind):
            return seen
        seen = seen.__cause__ or seen.__context__
    return None
