"""Walking a journey: one visitor with cookies, who remembers what was captured."""

from __future__ import annotations

import email
import email.policy
import html
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from checks.contract import Context, Stopped
from checks.journeys import JourneyError, Step, fill
from checks.jsonpath import find
from state.clean import clean, shorten
from state.durations import parse_duration
from state.redact import Redactor

_CSRF = re.compile(r"<input[^>]*\bname=[\"']csrf_token[\"'][^>]*>", re.IGNORECASE)
_VALUE = re.compile(r"\bvalue=[\"']([^\"']*)[\"']", re.IGNORECASE)
_SECRET = re.compile(r"password|secret|token|key", re.IGNORECASE)
_SHOWN = 400
_MAIL_WAIT = 10.0
_BODY = 2 * 2**20
_PAUSE = 0.1


class StepFailed(Exception):
    """A step that did not come out as declared: what was wrong, and the exchange as it may be shown."""

    def __init__(self, wrong: str, exchange: str = "") -> None:
        self.wrong, self.exchange = wrong, exchange
        super().__init__(wrong)


@dataclass
class Walker:
    """The visitor: CLIENT keeps the cookies, VARIABLES what is known so far."""

    ctx: Context
    client: httpx.Client
    variables: dict[str, str]
    outbox: Path | None
    commands: Mapping[str, list[str]]
    began_ns: int = field(default_factory=time.time_ns)
    csrf_token: str = ""

    def take(self, step: Step) -> None:
        """One step. Raises StepFailed, JourneyError, Stopped."""
        if self.ctx.cancelled.is_set():
            raise Stopped("cancelled")
        if step.mail is not None:
            text = self._mail(step)
        elif step.run:
            text = self._run(step)
        else:
            text = self._request(step)
        for name, pattern in step.capture.items():
            self.variables[name] = _captured(name, pattern, text)

    def _request(self, step: Step) -> str:
        until = time.monotonic() + (parse_duration(step.wait) if step.wait else 0.0)
        while True:
            try:
                return self._exchange(step)
            except StepFailed:
                if time.monotonic() + _PAUSE >= until:
                    raise
                if self.ctx.cancelled.wait(_PAUSE):
                    raise Stopped("cancelled") from None

    def _exchange(self, step: Step) -> str:
        path = fill(step.path, self.variables)
        form = fill(step.form, self.variables)
        body = fill(step.json, self.variables)
        if step.csrf:
            if not self.csrf_token:
                raise StepFailed("the page before has no hidden input csrf_token")
            form = form | {"csrf_token": self.csrf_token}
        request = self.client.build_request(
            step.method,
            path,
            data=form or None,
            json=body,
            headers=fill(step.headers, self.variables),
        )
        if not step.cookies:
            request.headers.pop("cookie", None)
        asked = f"{step.method} {path} {self._shown(form or body or '')}".strip()
        try:
            answer = self.client.send(request, follow_redirects=step.follow)
        except httpx.HTTPError as error:
            raise StepFailed(f"no answer: {type(error).__name__}", asked) from None
        text = answer.text[:_BODY]
        if match := _CSRF.search(text):
            value = _VALUE.search(match[0])
            self.csrf_token = html.unescape(value[1]) if value else ""
        wrong = self._wrong(step, answer, text)
        if wrong:
            told = self._shown(text)
            raise StepFailed("; ".join(wrong), f"{asked} → {answer.status_code} {told}")
        return text

    def _wrong(self, step: Step, answer: httpx.Response, text: str) -> list[str]:
        wrong = [] if answer.status_code == step.status else [f"status {answer.status_code}, not {step.status}"]
        plain = html.unescape(text)
        wrong += [f"does not contain {w!r}" for w in fill(step.contains, self.variables) if w not in plain]
        wrong += [f"contains {w!r}" for w in fill(step.lacks, self.variables) if w in plain]
        ends_at = fill(step.ends_at, self.variables)
        if ends_at and answer.url.path != ends_at:
            wrong.append(f"ended at {answer.url.path}, not {ends_at}")
        for key, wanted in fill(step.json_is, self.variables).items():
            try:
                found, value = find(json.loads(text), key)
            except ValueError:
                wrong.append("the answer is not JSON")
                break
            if not found or value != wanted:
                wrong.append(f"{key} = {value if found else 'missing'}, not {wanted}")
        return [self.redact(each) for each in wrong]

    def _mail(self, step: Step) -> str:
        assert step.mail is not None
        if self.outbox is None:
            raise JourneyError("a step reads a mail, and no outbox folder is given (outbox = …)")
        to, wanted = fill(step.mail.to, self.variables), fill(step.mail.contains, self.variables)
        until = time.monotonic() + (parse_duration(step.wait) if step.wait else _MAIL_WAIT)
        while True:
            for path in sorted(self.outbox.glob("[!.]*"), key=lambda p: p.stat().st_mtime_ns, reverse=True):
                if path.is_file() and path.stat().st_mtime_ns >= self.began_ns:
                    message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
                    body = message.get_body(("plain", "html"))
                    text = body.get_content() if body is not None else ""
                    if to.lower() in str(message["To"]).lower() and all(w in text for w in wanted):
                        return str(text)
            if time.monotonic() >= until:
                raise StepFailed(f"no mail to {to} in the outbox")
            if self.ctx.cancelled.wait(_PAUSE):
                raise Stopped("cancelled")

    def _run(self, step: Step) -> str:
        argv = self.commands.get(step.run) if isinstance(step.run, str) else fill(step.run, self.variables)
        if not argv:
            raise JourneyError(f"no command {step.run!r}: write commands = {{ {step.run} = [ … ] }} in the checklist")
        try:
            done = self.ctx.run_sync(argv)
        except OSError as error:
            if isinstance(error, TimeoutError):
                raise
            raise JourneyError(f"cannot run {argv[0]}: {error.strerror}") from None
        if done.exit_code != 0:
            last = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["it said nothing"]
            raise StepFailed(f"{argv[0]} ended with exit code {done.exit_code}: {last[0]}")
        return done.stdout

    @property
    def redact(self) -> Redactor:
        """Hides every variable that is named like a secret, and the token of the form."""
        hidden = [value for name, value in self.variables.items() if _SECRET.search(name)]
        return Redactor.knowing([*hidden, self.csrf_token])

    def _shown(self, value: Any) -> str:
        if isinstance(value, dict):
            value = " ".join(f"{k}={'•••' if _SECRET.search(k) else v}" for k, v in value.items())
        return shorten(clean(self.redact(str(value)[: _SHOWN * 4])), _SHOWN)


def _captured(name: str, pattern: str, text: str) -> str:
    if pattern.startswith("json:"):
        try:
            found, value = find(json.loads(text), pattern.removeprefix("json:"))
        except ValueError:
            found, value = False, None
        if not found:
            raise StepFailed(f"nothing to capture as {name}: no {pattern.removeprefix('json:')} in the answer")
        return str(value)
    match = re.search(pattern, text)
    if match is None:
        raise StepFailed(f"nothing to capture as {name}: no match of {pattern}")
    return html.unescape(match[1])
