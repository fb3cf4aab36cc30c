"""The one redactor: no password, token or connection string gets past the border."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from html import escape
from json import dumps
from urllib.parse import quote, quote_plus, unquote, urlsplit

import msgspec

MASK = "•••"
_SHORTEST = 6  # a shorter secret would mask half of every sentence

# Bounded throughout: a hostile line of a megabyte costs no more than its length. A password may hold "/" and "@"
# unencoded, so it ends at the last "@" of the word; where the text was cut (`shorten`), at the cut.
_URL_PASSWORD = re.compile(
    r"\b([a-z][a-z0-9+.\-]{0,30}://[^\s:/@]{0,200}):(?:[^\s\"<>]{0,2000}@|[^\s\"<>]{0,2000}(?=… \(\+))", re.IGNORECASE
)
_URL_TOKEN = re.compile(r"\b(https?://)[^\s:/@?#]{1,500}@", re.IGNORECASE)
_ASSIGNED = re.compile(
    r"(?P<key>\b[\w.\-]{0,60}(?:password|passwd|passphrase|pwd|secret|token|credentials?|authorization|cookie"
    r"|(?:api|secret|private|access|encryption|signing)[_\-]?key)\b[\"']?\s{0,20}[=:]\s{0,20})"
    r"(?P<scheme>(?:bearer|basic)\s+)?(?:\"(?P<double>[^\"]{1,2000})|'(?P<single>[^']{1,2000})|(?P<bare>[^\s\"'&;]{4,2000}))",
    re.IGNORECASE,
)
_BEARER = re.compile(r"\b(bearer|basic)\s{1,20}[A-Za-z0-9._~+/=\-]{8,}", re.IGNORECASE)
_CUT = "… (+"


class Redactor(msgspec.Struct, frozen=True):
    """Masks the secrets it was told, and whatever is shaped like one.

    `secrets` are exact values; each is also masked in the forms in which programs write it: URL-encoded, quoted
    for JSON, Python or HTML, in base64. Values shorter than six
    characters cannot be masked without masking ordinary words, and are left to the patterns. `home` is the
    project's folder: a path below it is told from there on, so that a record speaks of no machine.
    """

    secrets: tuple[str, ...] = ()
    home: str = ""

    @classmethod
    def knowing(cls, values: Iterable[str]) -> Redactor:
        """A redactor for VALUES, for the passwords inside those of them that are URLs, and for their encodings."""
        known: set[str] = set()
        for value in values:
            known.add(value)
            if "://" in value:
                known |= set(_passwords(value))
            known |= {found["double"] or found["single"] or found["bare"] for found in _ASSIGNED.finditer(value)}
        known |= {form for value in known for form in _forms(value)}
        return cls(tuple(sorted((s for s in known if len(s) >= _SHORTEST), key=len, reverse=True)))

    def __call__(self, text: str) -> str:
        """TEXT without its secrets.

        >>> Redactor()("postgresql://app:hunter22@db/app")
        'postgresql://app:•••@db/app'
        """
        if self.home and self.home in text:
            text = text.replace(self.home + "/", "").replace(self.home, self.home.rpartition("/")[2])
        for secret in self.secrets:
            text = text.replace(secret, MASK)
            if _CUT in text:
                text = _without_beginning(secret, text)
        text = _URL_PASSWORD.sub(rf"\1:{MASK}@", text)
        text = _BEARER.sub(rf"\1 {MASK}", text)
        text = _URL_TOKEN.sub(rf"\1{MASK}@", text)
        return _ASSIGNED.sub(_masked, text)

    def tree(self, value: object) -> object:
        """VALUE with every string inside it redacted: keys, lists and tables alike."""
        if isinstance(value, str):
            return self(value)
        if isinstance(value, Mapping):
            return {self.tree(key): self.tree(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.tree(item) for item in value]
        return value


def _passwords(url: str) -> Iterator[str]:
    """What may be the password in URL, encoded or not; and its pieces, where somebody has not encoded its "@" or "/":
    a driver then quotes the piece that it took for a host or a port."""
    address = url.partition("://")[2].partition(":")[2]
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 (raises ValueError for what is none)
    except ValueError:
        whole = address.rpartition("@")[0]
    else:
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
        yield from (parts.password or "", password)
        yield b64encode(f"{user}:{password}".encode(errors="replace")).decode()
        whole = parts.netloc.rpartition("@")[0].partition(":")[2]
    if set(whole) & set("@/?#"):
        yield from (whole, *re.split(r"[@/?#:]", whole))


def _forms(value: str) -> Iterator[str]:
    yield from (quote(value, safe="", errors="replace"), quote_plus(value, errors="replace"), escape(value))
    yield from (repr(value)[1:-1], dumps(value)[1:-1])
    yield dumps(value, ensure_ascii=False)[1:-1]
    yield b64encode(value.encode(errors="replace")).decode().rstrip("=")


def _masked(found: re.Match[str]) -> str:
    quote = '"' if found["double"] else "'" if found["single"] else ""
    return f"{found['key']}{found['scheme'] or ''}{quote}{MASK}"


def _without_beginning(secret: str, text: str) -> str:
    """TEXT without the beginning of SECRET where the text was cut in the middle of it."""
    for length in range(len(secret) - 1, 2, -1):
        text = text.replace(secret[:length] + _CUT, MASK + _CUT)
    return text
