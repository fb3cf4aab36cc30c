"""Whether the app answers, and says that it is well."""

from __future__ import annotations

import json
import re
import socket
import ssl
import time
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import httpx

from checks.contract import Context, Seconds, check
from checks.fetching import ASKING, caused_by, pieces_of, why_no_answer
from checks.jsonpath import find
from state.verdicts import Outcome

_BODY = 256 * 1024
_SHA = re.compile(r"[0-9a-fA-F]{7,64}")


@check("http.health", timeout="30s", fresh_for="5m")
def health(
    ctx: Context,
    *,
    url: str,
    status: int = 200,
    expect: dict[str, str | int | float | bool] | None = None,
    at_most: Seconds = Seconds(5.0),  # noqa: B008 (immutable)
    tls_days: int = 14,
    version: str = "",
    pushed_by: str = "push",
) -> Outcome:
    """URL answers with STATUS within AT_MOST, and its JSON holds what EXPECT says (key or "a.b" = value).

    With https the certificate must be valid for TLS_DAYS more. VERSION is the key of the JSON under which the app
    says its commit: it must be the one that the item PUSHED_BY pushed (its evidence `sha`).
    """
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
        return Outcome.error(f"{url!r} is no http address", hint="write https://host/healthz")
    commit = _pushed(ctx, pushed_by) if version else ""
    if isinstance(commit, Outcome):
        return commit
    started = time.perf_counter()
    patience = min(at_most * 2, max(ctx.seconds_left - 1, 0.1))
    try:
        with (
            httpx.Client(timeout=patience) as client,
            client.stream("GET", url, headers={**ASKING, "Cache-Control": "no-cache"}) as answer,
        ):
            until = _certificate_end(answer)  # before the body: with its end the connection may be closed
            body = b""
            for piece in pieces_of(answer, time.monotonic() + patience):
                body += piece
                if len(body) > _BODY:
                    break
    except httpx.HTTPError as error:
        why = why_no_answer(error)
        if caused_by(error, socket.gaierror):
            return Outcome.error(f"{why}: {urlsplit(url).hostname}", hint="see the URL and the DNS")
        hint = "is the app up, and does it listen there? see its log and its host"
        if caused_by(error, ssl.SSLError):
            hint = "visitors see this too: renew or correct the certificate"
        return Outcome.failed(why, expected=f"status {status}", hint=hint)
    ms = (time.perf_counter() - started) * 1000
    evidence: dict[str, object] = {"url": url, "status": answer.status_code, "ms": round(ms, 1)}
    wrong = [] if answer.status_code == status else [f"status {answer.status_code}, not {status}"]
    wrong += _unexpected(body, expect or {}, evidence)
    if commit and (other := _other_version(body, version, commit, evidence)):
        wrong.append(other)
    doubts = [] if ms <= at_most * 1000 else [f"{ms:.0f} ms is more than {at_most * 1000:.0f}"]
    if until is not None:
        days = (until - datetime.now(UTC)).days
        evidence["tls_days_left"] = days
        if days < tls_days:
            doubts.append(f"the certificate ends in {days} days")
    elif urlsplit(url).scheme == "https":
        doubts.append("the end of the certificate cannot be read")
    expected = f"status {status}" + "".join(f", {k} = {v}" for k, v in (expect or {}).items())
    expected += f", {version} = {commit[:12]}" if commit else ""
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
    except (ValueError, RecursionError):
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


def _pushed(ctx: Context, item: str) -> str | Outcome:
    """The commit that ITEM pushed, or why nobody knows it."""
    seen = ctx.evidence.get(item)
    if seen is None:
        return Outcome.unknown(f"item {item!r} has not run, so there is no commit to compare", hint=f"run {item!r}")
    sha = str(seen.evidence.get("sha", ""))
    if not _SHA.fullmatch(sha):
        hint = "name the item that pushes (pushed_by = …), or take version out"
        return Outcome.unknown(f"item {item!r} says no commit (sha)", hint=hint)
    return sha.lower()


def _other_version(body: bytes, key: str, commit: str, evidence: dict[str, object]) -> str:
    try:
        there, value = find(json.loads(body), key)
    except (ValueError, RecursionError):
        return "the body is not JSON, so it says no version"
    evidence |= {"version": value if there else "missing", "pushed": commit}
    if not there:
        return f"no {key} in the body"
    said = str(value).lower()
    # Each may be short for the other.
    same = _SHA.fullmatch(said) and (commit.startswith(said) or said.startswith(commit))
    return "" if same else f"{key} = {str(value)[:40]}, not the {commit[:12]} that was pushed: another deploy answers"


def _certificate_end(answer: httpx.Response) -> datetime | None:
    stream = answer.extensions.get("network_stream")
    secure = stream.get_extra_info("ssl_object") if stream is not None else None
    if secure is None:
        return None
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(secure.getpeercert()["notAfter"]), UTC)
