"""A visitor of a load test: walks a journey as the check `http.journey` does, with Locust's client under it.

So that Locust's statistics see each request, by the name that its step gives it, and a step that did not come out
as declared as a failure. Runs inside Locust alone.
"""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlencode

import httpx
import msgspec

from checks.contract import Context
from checks.journeys import JourneyError, Route, Step, fill
from checks.journeys.browser import BODY, TIMEOUT, Browser, NoPage
from checks.journeys.model import names_in
from checks.journeys.page import Hop, Page
from checks.journeys.walker import StepFailed, Walker
from state.clean import clean, shorten

_SHOWN = 200


class Pending(Protocol):
    """Locust's answer that waits to be judged."""

    status_code: int
    content: bytes | None
    headers: Mapping[str, str] | None

    def __enter__(self) -> Any: ...
    def success(self) -> None: ...
    def failure(self, exc: str) -> None: ...
    def __exit__(self, *raised: object) -> Any: ...


class Session(Protocol):
    """Locust's client: the cookies of one visitor."""

    cookiejar: Any

    def request(self, method: str, url: str, **more: Any) -> Any: ...


class LocustBrowser(Browser):
    """Asks through Locust's clients, made by OPEN. An answer is judged, as good or bad, when its step is."""

    def __init__(self, base_url: str, stop: threading.Event, open_: Callable[[], Session]) -> None:
        super().__init__(base_url, stop, lambda: TIMEOUT)
        self._open = open_
        self._sessions: dict[str, Session] = {}
        self._pending: Pending | None = None
        self.named = ""
        self.asked = False

    def cookies(self, visitor: str, url: str = "") -> dict[str, str]:
        """The cookies that VISITOR holds."""
        return {cookie.name: cookie.value or "" for cookie in self._session(visitor).cookiejar}

    def secrets(self) -> list[str]:
        """The value of every cookie that anybody holds."""
        return [cookie.value or "" for session in self._sessions.values() for cookie in session.cookiejar]

    def judge(self, wrong: str = "") -> None:
        """The last answer was good, or WRONG says in which way it was not."""
        pending, self._pending = self._pending, None
        if pending is None:
            return
        if wrong:
            pending.failure(wrong)
        else:
            pending.success()
        pending.__exit__(None, None, None)

    def _once(
        self, visitor: str, method: str, url: str, sending: dict[str, Any], cookies: bool, chain: tuple[Hop, ...]
    ) -> Page:
        self.judge()  # the answer before led here: a redirect, or one that is looked for again
        self.asked = True
        session = self._session(visitor) if cookies else self._open()
        headers, body = dict(sending["headers"]), None
        if "json" in sending:
            body = json.dumps(sending["json"])
            headers.setdefault("Content-Type", "application/json")
        elif "data" in sending:
            body = urlencode(sending["data"])
            headers.setdefault("Content-Type", "application/x-www-form-urlencoded")
        name = f"{self.named} (redirected)" if chain else self.named
        answer: Pending = session.request(
            method, url, name=name, data=body, headers=headers, allow_redirects=False, catch_response=True
        )
        answer.__enter__()
        self._pending = answer
        if not answer.status_code:
            raise NoPage(f"no answer: {type(getattr(answer, 'error', None)).__name__}", chain)
        raw = answer.content or b""
        said = httpx.Headers(list((answer.headers or {}).items()))
        charset = httpx.Response(200, headers={"content-type": said.get("content-type", "")}).charset_encoding
        try:
            text = bytes(raw[:BODY]).decode(charset or "utf-8", errors="replace")
        except LookupError:
            text = bytes(raw[:BODY]).decode(errors="replace")
        plain = {key.lower(): value for key, value in said.items() if key.lower() != "set-cookie"}
        held = {cookie.name: cookie.value or "" for cookie in session.cookiejar}
        return Page(text, url, answer.status_code, plain, held, chain, len(raw) > BODY)

    def _session(self, visitor: str) -> Session:
        if visitor not in self._sessions:
            self._sessions[visitor] = self._open()
        return self._sessions[visitor]


def walk(
    route: Route,
    base_url: str,
    given: Mapping[str, str],
    open_: Callable[[], Session],
    between: Callable[[], bool],
    report: Callable[[str, str, str], None],
) -> None:
    """One visitor's walk of ROUTE. BETWEEN waits between two steps and says whether there is time for another; REPORT
    (method, name, what is wrong) counts a failure that came before anything was asked. It cleans up after itself."""
    known = {"unique": f"{int(time.time()):x}{secrets.token_hex(4)}", "secret": secrets.token_urlsafe(16)}
    known |= {"base_url": base_url.rstrip("/")} | dict(given)
    for key, value in route.vars.items():
        if key not in given:
            known[key] = str(fill(value, known))
    stop = threading.Event()
    browser = LocustBrowser(base_url, stop, open_)
    ctx = Context(item="load", project=Path(), artefacts=Path())
    walker = Walker(ctx, browser, known, route.csrf, None, {})
    try:
        for number, step in enumerate(_taken(route.steps, walker)):
            if number and not between():
                break
            if not _step(step, walker, browser, report):
                break
    finally:
        for step in _taken(route.cleanup, walker):
            used = names_in([value for value in msgspec.to_builtins(step).values() if value])
            if used <= walker.variables.keys():
                _step(step, walker, browser, report)


def _taken(steps: tuple[Step, ...], walker: Walker) -> list[Step]:
    def wanted(step: Step) -> bool:
        held = walker.variables
        return (not step.when or bool(held.get(step.when))) and not (step.unless and held.get(step.unless))

    return [step for step in steps if wanted(step)]


def _step(step: Step, walker: Walker, browser: LocustBrowser, report: Callable[[str, str, str], None]) -> bool:
    browser.named, browser.asked = name_of(step), False
    try:
        walker.take(step)
    except (StepFailed, JourneyError) as failed:
        wrong = _masked(walker.redact(str(failed)), walker.variables)
        if browser.asked:
            browser.judge(wrong)
        else:
            report(step.method, browser.named, wrong)
        return False
    browser.judge()
    return True


def name_of(step: Step) -> str:
    """The name by which the statistics know STEP: the same for every visitor, so never with a value in it."""
    return step.path or f"form {step.submit}"


def _masked(text: str, variables: Mapping[str, str]) -> str:
    # The statistics keep every text once: what differs by visitor would be kept a thousand times.
    for name, value in sorted(variables.items(), key=lambda one: -len(one[1])):
        if len(value) >= 4:
            text = text.replace(value, f"${{{name}}}")
    return shorten(clean(text), _SHOWN)
