"""Text from outside is data: no control character, escape sequence or direction override gets through."""

from __future__ import annotations

import re
import unicodedata

# CSI and OSC sequences whole, so that their parameters do not stay behind as litter; then any other escape.
_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI … final byte
    r"|\x1b[\]PX^_].*?(?:\x1b\\|\x07|\x9c|$)"  # OSC, DCS, SOS, PM, APC … terminator
    r"|\x9b[0-?]*[ -/]*[@-~]|[\x90\x98\x9d-\x9f].*?(?:\x9c|\x07|$)"  # the same in their one-byte forms
    r"|\x1b[ -/]*[0-~]?",
    re.DOTALL,
)
# Controls, format characters (bidi overrides, zero width), surrogates, private use.
_HIDDEN = {"Cc", "Cf", "Cs", "Co"}
_SPACES = {"Zs", "Zl", "Zp"}


def clean(text: str, *, keep: str = "") -> str:
    r"""TEXT as one printable line; what is in KEEP ("\n", "\t") stays.

    >>> clean("a\x1b[31mred\x1b[0m\x07b"), clean("one\ntwo"), clean("one\ntwo", keep="\n")
    ('aredb', 'one two', 'one\ntwo')
    """
    if text.isprintable():
        return text
    return "".join(ch if ch in keep else _shown(ch) for ch in _ESCAPES.sub("", text))


def _shown(ch: str) -> str:
    category = unicodedata.category(ch)
    if category in _SPACES or ch in "\n\t\r\v\f":
        return " "
    if category in _HIDDEN:
        return ""
    return ch if category != "Cn" else "\N{REPLACEMENT CHARACTER}"


def shorten(text: str, limit: int) -> str:
    """TEXT cut to LIMIT characters, saying how much is missing.

    >>> shorten("abcdefghij" * 10, 30)
    'abcdefghijabcd… (+86 characters)'
    """
    if len(text) <= limit:
        return text
    kept = max(limit - 16, 1)
    return f"{text[:kept]}… (+{len(text) - kept} characters)"
