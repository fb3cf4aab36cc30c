"""What came back from a request: the last answer, and the redirects on the way to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

if TYPE_CHECKING:
    from selectolax.lexbor import LexborHTMLParser


@dataclass(frozen=True, slots=True)
class Hop:
    """One request of a chain: METHOD and URL, the STATUS it got, and where it was sent on to ("" when it was not)."""

    method: str
    url: str
    status: int
    location: str


@dataclass(frozen=True)
class Page:
    """The last answer. TRUNCATED: there is more of the body than TEXT. HEADERS by their names in lower case.

    Of several headers of one name the values are joined, except those of Set-Cookie, which COOKIES holds.
    """

    text: str
    url: str = ""
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    cookies: Mapping[str, str] = field(default_factory=dict)
    chain: tuple[Hop, ...] = ()
    truncated: bool = False
    ms: float = 0.0

    @cached_property
    def tree(self) -> LexborHTMLParser:
        """The body as HTML, whatever it is."""
        from selectolax.lexbor import LexborHTMLParser

        return LexborHTMLParser(self.text)

    @property
    def redirect(self) -> str:
        """The address of the redirect that was not followed, else of the first one; "" without any."""
        led = [hop.location for hop in self.chain if hop.location]
        stopped = bool(self.chain) and bool(self.chain[-1].location)
        return led[-1 if stopped else 0] if led else ""

    @property
    def query(self) -> dict[str, str]:
        """The query of that address, or of the page's own."""
        return dict(parse_qsl(urlsplit(self.redirect or self.url).query, keep_blank_values=True))


def first(page: Page, selector: str) -> str | None:
    """What SELECTOR finds on PAGE: the text of the first element, or with "…@name" its attribute; None for nothing.

    An attribute that is not there is an empty text. Raises ValueError for what is no CSS selector.
    """
    from selectolax.lexbor import SelectolaxError

    css, attribute = split_attribute(selector)
    try:
        found = page.tree.css_first(css)
    except SelectolaxError:
        raise ValueError(f"{css!r} is no CSS selector") from None
    if found is None:
        return None
    if attribute:
        return found.attributes.get(attribute) or ""
    return " ".join(found.text().split())


def split_attribute(selector: str) -> tuple[str, str]:
    """The CSS selector and the attribute ("" for none) of "a.next@href"."""
    css, at, attribute = selector.rpartition("@")
    is_name = attribute.replace("-", "").replace("_", "").replace(":", "").isalnum()
    return (css, attribute) if at and is_name else (selector, "")
