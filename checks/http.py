"""Whether the app answers, and says that it is well."""

from __future__ import annotations

import json
import socket
import ssl
import time
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import httpx

from checks.contract import Context, Seconds, check
from checks.jsonpath import find
from state.verdicts import Outcome

_BODY = 256 * 1024


@check("http.health", timeout="30s", fresh_for="5m")
def health(
    ctx: Context,
    *,
    url: str,
    status: int = 200,
    expect: dict[str, str | int | float | bool] | None = None,
    at_most: Seconds = Seconds(5.0),  # noqa: B008 (immutable)
    tls_days: int = 14,
) -> Outcome:
    """URL answers with STATUS within AT_MOST, and its JSON holds what EXPECT says (key or "a.b" = value).

    With https the certificate must be valid for TLS_DAYS more.
    """
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
        return Outcome.error(f"{url!r} is no http address", hint="write https://host/healthz")
    started = time.perf_counter()
    try:
        with (
            httpx.Client(timeout=httpx.Timeout(min(at_most * 2, max(ctx.seconds_left - 1, 0.1)))) as client,
            client.stream("GET", url, headers={"Cache-Control": "no-cache"}) as answer,
        ):
            body = b""
            for piece in answer.iter_bytes():
                body += piece
                if len(body) > _BODY:
                    break
            until = _certificate_end(answer)
    except httpx.TimeoutException as error:
        hint = "see the app's log and its host"
        return Outcome.failed(f"no answer in time ({type(error).__name__})", expected=f"status {status}", hint=hint)
    except httpx.HTTPError as error:
        if _cause(error, socket.gaierror):
            return Outcome.error(
                f"the host name {urlsplit(url).hostname} is not known", hint="see the URL and the DNS"
            )
        what = "the certificate is not valid" if _cause(error, ssl.SSLCertVerificationError) else "no answer"
        hint = "is the app up, and does it listen there?"
        return Outcome.failed(f"{what}: {error}", expected=f"status {status}", hint=hint)
    ms = (time.perf_counter() - started) * 1000
    evidence: dict[str, object] = {"url": url, "status": answer.status_code, "ms": round(ms, 1)}
    wrong = [] if answer.status_code == status else [f"status {answer.status_code}, not {status}"]
    wrong += _unexpected(body, expect or {}, evidence)
    doubts = [] if ms <= at_most * 1000 else [f"{ms:.0f} ms is more than {at_most * 1000:.0f}"]
    if until is not None:
        days = (until - datetime.now(UTC)).days
        evidence["tls_days_left"] = days
        if days < tls_days:
            doubts.append(f"the certificate ends in {days} days")
    expected = f"status {status}" + "".join(f", {k} = {v}" for k, v in (expect or {}).items())
    if wrong:
        wrong.append(body[:200].decode(errors="replace"))
        hint = "read its log; a 503 with maintenance on is the maintenance page"
        return Outcome.failed("; ".join(wrong), expected=expected, evidence=evidence, hint=hint)
    actual = f"status {answer.status_code} in {ms:.0f} ms"
    if doubts:
        hint = "decide whether that may stay"
        return Outcome.warned(f"{actual}; {'; '.join(doubts)}", expected=expected, evidence=evidence, hint=hint)
    return Outcome.passed(actual, expected=expected, evidence=evidence)


def _unexpected(body: bytes, expect: dict[str, Any], evidence: dict[str, object]) -> list[str]:
    if not expect:
        return []
    try:
        data = json.loads(body)
    except ValueError:
        return ["the body is not JSON"]
    wrong = []
    for key, wanted in expect.items():
        found, value = find(data, key)
        evidence[key] = value if found else "missing"
        if not found:
            wrong.append(f"no {key} in the body")
        elif value != wanted or isinstance(value, bool) != isinstance(wanted, bool):
            wrong.append(f"{key} = {value}, not {wanted}")
    return wrong


def _certificate_end(answer: httpx.Response) -> datetime | None:
    stream = answer.extensions.get("network_stream")
    secure = stream.get_extra_info("ssl_object") if stream is not None else None
    if secure is None:
        return None
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(secure.getpeercert()["notAfter"]), UTC)


def _cause(error: BaseException, kind: type[BaseException]) -> bool:
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, kind):
            return True
        seen = seen.__cause__ or seen.__context__
    return False
