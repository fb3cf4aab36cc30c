"""Why there was no answer, in words."""

from __future__ import annotations

import socket
import ssl

import httpx


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
