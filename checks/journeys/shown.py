"""A request and its answer as they may be shown: cut, cleaned, and without secrets."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from checks.border import safe
from checks.journeys.page import Hop, Page
from state.redact import MASK, Redactor

LINE = 400
_BODY = 20_000  # characters that are searched for secrets
_NAME = re.compile(
    r"passw|passphrase|pwd|secret|token|key|credential|cookie|session|authorization|csrf|xsrf|nonce|verifier"
    r"|(?:^|[_\-.])(?:code|state|otp|pin|sid)\d*(?:$|[_\-.])",
    re.IGNORECASE,
)
_INPUT = re.compile(r"<(?:input|meta)\b[^>]{0,2000}>", re.IGNORECASE)
_INPUT_NAME = re.compile(r"\b(?:name|type|id)\s*=\s*[\"']?([\w\-.]{1,80})", re.IGNORECASE)
_INPUT_VALUE = re.compile(r"(\b(?:value|content)\s*=\s*)(\"[^\"]*\"|'[^']*'|[^\s>]+)", re.IGNORECASE)
_SPACE = re.compile(r"\s+")
_USUAL_HEADERS = ("content-type", "location", "retry-after", "www-authenticate", "server")


def is_secret(name: str) -> bool:
    """Whether what is called NAME must not be shown.

    >>> is_secret("new_password"), is_secret("api_key"), is_secret("state2"), is_secret("statement")
    (True, True, True, False)
    """
    return _NAME.search(name) is not None


def redactor(secrets: Iterable[str]) -> Redactor:
    """Masks SECRETS in every dress that HTML, JSON, a URL or a header puts on them."""
    known: set[str] = set()
    for secret in secrets:
        dressed = {
            secret,
            html.escape(secret),
            json.dumps(secret)[1:-1],
            json.dumps(secret, ensure_ascii=False)[1:-1],
        }
        known |= dressed | {secret.replace("&", "&amp;")} | {base64.b64encode(secret.encode()).decode()}
    return Redactor.knowing(known)


def url(address: str) -> str:
    """ADDRESS with the secrets of its query masked, and without a name and a password."""
    parts = urlsplit(address)
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    if any(is_secret(name) for name, _ in pairs):
        shown = urlencode([(name, MASK if is_secret(name) else value) for name, value in pairs])
        parts = parts._replace(query=shown.replace(quote(MASK), MASK))
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def request(method: str, address: str, fields: Any, headers: Mapping[str, str], redact: Redactor) -> str:
    """What was asked, in one line."""
    said = [f"{method} {url(address)}"]
    if isinstance(fields, dict):
        said += [f"{name}={MASK if is_secret(name) else value}" for name, value in _masked(fields).items()]
    elif fields is not None:
        said.append(json.dumps(_masked(fields), ensure_ascii=False))
    said += [f"[{name}: {MASK if is_secret(name) else value}]" for name, value in headers.items()]
    return safe(" ".join(said), redact, LINE)


def chain(hops: Iterable[Hop], redact: Redactor) -> str:
    """The redirects, one after the other: "303 to /a → GET /a: 200"."""
    told = []
    for number, hop in enumerate(hops):
        asked = f"{hop.method} {url(hop.url)}: " if number else ""
        told.append(f"{asked}{hop.status}{f' to {url(hop.location)}' if hop.location else ''}")
    return safe(" → ".join(told), redact, LINE * 2)


def answer(page: Page, redact: Redactor) -> list[str]:
    """What came back: its headers in one line, and the beginning of its body in another."""
    told = [f"{name}: {url(value) if name == 'location' else value}" for name, value in page.headers.items()
            if name in _USUAL_HEADERS]  # fmt: skip
    told += [f"set-cookie: {name}={MASK}" for name in page.cookies]
    text = page.text[:_BODY]
    try:
        # What JSON calls a secret is one, whatever stands around it.
        text = json.dumps(_masked(json.loads(page.text)), ensure_ascii=False)
    except (ValueError, RecursionError):
        text = _INPUT.sub(_without_value, text)
    body = safe(_SPACE.sub(" ", text).strip(), redact, LINE)
    return [safe("; ".join(told), redact, LINE), body]


def _without_value(found: re.Match[str]) -> str:
    names = _INPUT_NAME.findall(found[0])
    secret = any(is_secret(name) or name.lower() in ("hidden", "password") for name in names)
    return _INPUT_VALUE.sub(rf'\1"{MASK}"', found[0]) if secret else found[0]


def _masked(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: MASK if is_secret(str(key)) and not isinstance(each, dict | list) else _masked(each)
            for key, each in value.items()
        }
    return [_masked(each) for each in value] if isinstance(value, list) else value
