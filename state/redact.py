"""The one redactor: no password, token or connection string gets past the border."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from urllib.parse import quote, quote_plus, unquote, urlsplit

import msgspec

MASK = "•••"
_SHORTEST = 6  # a shorter secret would mask half of every sentence

# Bounded at their beginnings: an open repetition there costs the square of a long word.
_URL_PASSWORD = re.compile(r"([a-z][a-z0-9+.\-]{0,30}://[^\s:/@]*):([^\s@/]+)@", re.IGNORECASE)
_ASSIGNED = re.compile(
    r"(?P<key>(?:password|passwd|pwd|secret|token|api[_\-]?key|authorization|cookie)\b[\"']?\s*[=:]\s*)"
    r"(?P<scheme>(?:bearer|basic)\s+)?(?P<quote>[\"']?)(?P<value>[^\s\"'&,;]{4,})",
    re.IGNORECASE,
)
_BEARER = re.compile(r"\b(bearer|basic)\s+[A-Za-z0-9._~+/=\-]{8,}", re.IGNORECASE)


class Redactor(msgspec.Struct, frozen=True):
    """Masks the secrets it was told, and whatever is shaped like one.

    `secrets` are exact values; each is also masked where it stands URL-encoded. Values shorter than six
    characters cannot be masked without masking ordinary words, and are left to the patterns.
    """

    secrets: tuple[str, ...] = ()

    @classmethod
    def knowing(cls, values: Iterable[str]) -> Redactor:
        """A redactor for VALUES, for the passwords inside those of them that are URLs, and for their encodings."""
        known: set[str] = set()
        for value in values:
            known.add(value)
            if "://" in value:
                try:
                    parts = urlsplit(value)
                    password = parts.password or ""
                except ValueError:
                    continue
                known |= {password, unquote(password)}
        known |= {quote(value, safe="") for value in known} | {quote_plus(value) for value in known}
        return cls(tuple(sorted((s for s in known if len(s) >= _SHORTEST), key=len, reverse=True)))

    def __call__(self, text: str) -> str:
        """TEXT without its secrets.

        >>> Redactor()("postgresql://app:hunter22@db/app")
        'postgresql://app:•••@db/app'
        """
        for secret in self.secrets:
            text = text.replace(secret, MASK)
        text = _URL_PASSWORD.sub(rf"\1:{MASK}@", text)
        text = _BEARER.sub(rf"\1 {MASK}", text)
        return _ASSIGNED.sub(rf"\g<key>\g<scheme>\g<quote>{MASK}", text)

    def tree(self, value: object) -> object:
        """VALUE with every string inside it redacted: keys, lists and tables alike."""
        if isinstance(value, str):
            return self(value)
        if isinstance(value, Mapping):
            return {self.tree(key): self.tree(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.tree(item) for item in value]
        return value
