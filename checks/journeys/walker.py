"""Walking a journey: visitors with cookies, and all that was captured on the way."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import msgspec

from checks.contract import Context, Stopped
from checks.journeys import csrf, expecting, mails, shown
from checks.journeys.browser import Browser, NoPage, origin
from checks.journeys.captures import captured, expression_fault, split_kind
from checks.journeys.model import Csrf, JourneyError, Step, fill
from checks.journeys.page import Page
from state.durations import parse_duration
from state.redact import Redactor

_PAUSE = 0.1
_MAIL_WAIT = 10.0
_HEALTHY_WAIT = 60.0
_HEALTHY_IN_A_ROW = 3  # a program may say that it restarted the app while the old one still answers
_KEPT = ("status", "ends_at", "contains", "lacks", "matches", "header_is", "header_matches", "json_is")


class StepFailed(Exception):
    """A step that did not come out as declared.

    WRONG in words, EXCHANGE as it may be shown, line by line. SEEN: the app did answer, and was not out of order.
    """

    def __init__(self, wrong: str, exchange: tuple[str, ...] = (), *, seen: bool = False) -> None:
        self.wrong, self.exchange, self.seen = wrong, exchange, seen
        super().__init__(wrong)


@dataclass
class Walker:
    """Takes steps with BROWSER; VARIABLES is what is known so far."""

    ctx: Context
    browser: Browser
    variables: dict[str, str]
    csrf: Csrf
    outbox: Path | None
    commands: Mapping[str, list[str]]
    began_ns: int = field(default_factory=time.time_ns)
    _pages: dict[str, Page] = field(default_factory=dict)
    _tokens: dict[str, str] = field(default_factory=dict)
    _secrets: set[str] = field(default_factory=set)

    def take(self, step: Step) -> float:
        """One step; how long its request took, in seconds. Raises StepFailed, JourneyError, Stopped."""
        if self.browser.stop.is_set():
            raise Stopped("cancelled")
        if step.mail is not None:
            page = self._mail(step)
        elif step.run:
            page = self._run(step)
        else:
            page = self._until(step, lambda: self._exchange(step), 0.0)
        self._capture(step, page)
        values = [self.variables[name] for name in step.differ]
        if len(set(values)) < len(values):
            raise StepFailed(f"{' and '.join(step.differ)} are the same", seen=True)
        return page.ms / 1000

    @property
    def redact(self) -> Redactor:
        """Hides every variable named like a secret, every token, every cookie, and what was sent in secret."""
        named = [value for name, value in self.variables.items() if shown.is_secret(name)]
        return shown.redactor([*named, *self._tokens.values(), *self._secrets, *self.browser.secrets()])

    def _until(self, step: Step, attempt: Callable[[], Page], patience: float) -> Page:
        until = time.monotonic() + (parse_duration(step.within) if step.within else patience)
        while True:
            try:
                return attempt()
            except StepFailed:
                if time.monotonic() + _PAUSE >= until:
                    raise
                if self.browser.stop.wait(_PAUSE):
                    raise Stopped("cancelled") from None

    def _exchange(self, step: Step) -> Page:
        visitor = step.visitor
        method: str = step.method
        url, form = self.browser.address(fill(step.path, self.variables)), None
        fields: dict[str, str] = fill(step.form, self.variables)
        if step.submit:
            method, url, form = self._form(step, fill(step.submit, self.variables))
        headers: dict[str, str] = fill(step.headers, self.variables)
        if step.csrf:
            held = self.browser.cookies(visitor, url) if self.csrf.cookie else {}
            more, proof = csrf.sent(self.csrf, self._tokens.get(visitor), held)
            if not more and not proof:
                raise StepFailed(f"the page before has no {csrf.places_of(self.csrf)}", seen=True)
            self._secrets |= {*more.values(), *proof.values()}
            headers = headers | proof
            fields = fields | more if step.json is None else fields
        if form is not None:
            fields = form | fields
        body = fill(step.json, self.variables)
        self._hide(fields, body, headers)
        sends = method not in ("GET", "HEAD") and body is None
        query = fill(step.query, self.variables) | (fields if method == "GET" else {})
        asked = shown.request(method, url, body if body is not None else fields, headers, self.redact)
        try:
            page = self.browser.ask(
                visitor, method, url, query=query, form=fields if sends and fields else None,
                json=body, headers=headers, cookies=step.cookies, follow=step.follow,
                stop_before=fill(step.stop_before, self.variables),
            )  # fmt: skip
        except NoPage as none:
            chain = (shown.chain(none.chain, self.redact),) if none.chain else ()
            raise StepFailed(self.redact(none.why), (asked, *chain)) from None
        self._pages[visitor] = page
        if (token := csrf.token_of(self.csrf, page)) is not None:
            self._tokens[visitor] = token
        if wrong := expecting.wrong(self._filled(step), page):
            raise self._failed("; ".join(wrong), step, page, asked)
        lacking = [name for name, expression in step.capture.items() if self._captured(expression, page) is None]
        if lacking:
            said = "; ".join(
                f"nothing to capture as {n}: no {fill(step.capture[n], self.variables)}" for n in lacking
            )
            raise self._failed(said, step, page, asked)
        return page

    def _failed(self, wrong: str, step: Step, page: Page, asked: str) -> StepFailed:
        # What the step would have captured may be a secret that stands in this very page.
        for name, expression in step.capture.items():
            if shown.is_secret(name) or split_kind(expression)[0] == "cookie":
                self._secrets.add(self._captured(expression, page) or "")
        redact = self.redact
        lines = (asked, shown.chain(page.chain, redact), *shown.answer(page, redact))
        return StepFailed(redact(wrong), tuple(line for line in lines if line), seen=page.status < 500)

    def _captured(self, expression: str, page: Page) -> str | None:
        return captured(fill(expression, self.variables), page)

    def _filled(self, step: Step) -> Step:
        values = {key: fill(getattr(step, key), self.variables) for key in (*_KEPT, "redirects_to", "redirect_query")}
        return msgspec.structs.replace(step, **values)

    def _form(self, step: Step, selector: str) -> tuple[str, str, dict[str, str]]:
        """Method, address and filled-in fields of a form on the visitor's page."""
        page = self._pages.get(step.visitor)
        if page is None:
            raise JourneyError(f"step {step.name!r} submits a form, and this visitor has no page yet")
        if expression_fault(f"css:{selector}"):
            raise JourneyError(f"step {step.name!r}: {selector!r} is no CSS selector")
        found = page.tree.css_first(selector)
        if found is None:
            redact = self.redact
            raise StepFailed(f"the page before has no {selector}", tuple(shown.answer(page, redact)), seen=True)
        url = urljoin(page.url, found.attributes.get("action") or "")
        if origin(url) not in (origin(page.url), origin(self.browser.base_url)):
            raise StepFailed(f"the form would be sent to {origin(url)}", seen=True)
        fields = {}
        for one in found.css("input[name]"):
            kind = (one.attributes.get("type") or "text").lower()
            unset = kind in ("checkbox", "radio") and "checked" not in one.attributes
            if kind not in ("submit", "button", "image", "reset", "file") and not unset:
                fields[one.attributes["name"] or ""] = one.attributes.get("value") or ""
        method = (found.attributes.get("method") or "get").upper()
        return ("POST" if method == "POST" else "GET"), url, fields

    def _hide(self, fields: Mapping[str, str], body: Any, headers: Mapping[str, str]) -> None:
        for name, value in [*fields.items(), *headers.items(), *_leaves(body)]:
            if shown.is_secret(name):
                self._secrets |= {str(value), str(value).rpartition(" ")[2]}

    def _capture(self, step: Step, page: Page) -> None:
        for name, expression in step.capture.items():
            value = self._captured(expression, page)
            if value is None:
                raise StepFailed(f"nothing to capture as {name}: no match of {expression}", seen=True)
            if split_kind(expression)[0] == "cookie":
                self._secrets.add(value)
            self.variables[name] = value

    def _mail(self, step: Step) -> Page:
        assert step.mail is not None
        to, wanted = fill(step.mail.to, self.variables), fill(step.mail.contains, self.variables)
        printing = self.commands.get("mail")
        if self.outbox is None and not printing:
            hint = "(outbox = …, or commands = { mail = [ … ] })"
            raise JourneyError(f"a step reads a mail, and no outbox is given {hint}")

        def look() -> Page:
            try:
                if self.outbox is not None:
                    text = mails.newest(mails.in_outbox(self.outbox, self.began_ns), to, wanted)
                else:
                    # Its lines are other people's mails, and hold the links that nobody else may use.
                    quiet = dataclasses.replace(self.ctx, on_log=lambda line: None)
                    raw = self._program(fill(printing, self.variables), quiet).encode(errors="replace")
                    text = mails.newest(mails.printed(raw, self.began_ns), to, wanted)
            except FileNotFoundError:
                text = None  # moved from new to cur while we looked
            except OSError as error:
                if isinstance(error, TimeoutError):
                    raise
                raise JourneyError(f"the outbox cannot be read: {error.strerror}") from None
            if text is None:
                raise StepFailed(f"no mail to {to} in the outbox", seen=True)
            return Page(text)

        return self._until(step, look, _MAIL_WAIT)

    def _run(self, step: Step) -> Page:
        argv = self.commands.get(step.run) if isinstance(step.run, str) else step.run
        if not argv:
            raise JourneyError(f"no command {step.run!r}: write commands = {{ {step.run} = [ … ] }} in the checklist")
        page = Page(self._program(fill(argv, self.variables), self.ctx))
        if step.healthy:
            url = self.browser.address(fill(step.healthy, self.variables))

            def well() -> Page:
                for _ in range(_HEALTHY_IN_A_ROW):
                    try:
                        answer = self.browser.ask("a look at the health", "GET", url, cookies=False)
                    except NoPage as none:
                        raise StepFailed(f"not healthy again: {none.why}") from None
                    if not expecting.fits(answer.status, "2xx"):
                        raise StepFailed(f"not healthy again: {step.healthy} answers {answer.status}")
                return page

            self._until(step, well, _HEALTHY_WAIT)
        return page

    def _program(self, argv: list[str], ctx: Context) -> str:
        try:
            done = ctx.run_sync(argv)
        except OSError as error:
            if isinstance(error, TimeoutError):
                raise
            raise JourneyError(f"cannot run {argv[0]}: {error.strerror}") from None
        if done.exit_code != 0:
            last = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["it said nothing"]
            raise StepFailed(self.redact(f"{argv[0]} ended with exit code {done.exit_code}: {last[0]}"))
        return done.stdout


def _leaves(body: Any, name: str = "") -> list[tuple[str, Any]]:
    if isinstance(body, dict):
        return [leaf for key, each in body.items() for leaf in _leaves(each, str(key))]
    if isinstance(body, list):
        return [leaf for each in body for leaf in _leaves(each, name)]
    return [] if body is None else [(name, body)]
