"""Text as an attacker would write it, and what must be true of whatever a terminal, a file or a person is handed.

Each payload holds a mark of its own kind (31337), so that a test can say whose bytes arrived.
"""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from hypothesis import strategies as st

MARK = "31337"
FORGED_EVENT = (
    '{ seq = 31337, utc = "2026-01-01T00:00:00.000Z", kind = "phase.go", actor = "forged", uid = 0, item = "one" }'
)

PAYLOADS: Mapping[str, str] = {
    "cursor": f"\x1b[{MARK};1H\x1b[{MARK}A",
    "erase": f"\x1b[2J\x1b[3J\x1b[{MARK}X",
    "alternate screen": "\x1b[?1049l\x1b[?25l\x1bc",
    "colours": f"\x1b[8;38;5;{MARK}m",
    "answerback": "\x1b[c\x1b[6n\x1b[21t\x05",
    "bell": "\x07\x07",
    "title": f"\x1b]0;title-{MARK}\x07\x1b]2;title-{MARK}\x1b\\",
    "clipboard": f"\x1b]52;c;cHduZWQ{MARK}\x07",
    "link": f"\x1b]8;id={MARK};https://evil.example/\x1b\\click\x1b]8;;\x1b\\",
    "dcs": f"\x1bP+q{MARK}\x1b\\\x1bPtmux;\x1b\x1b]52;c;{MARK}\x07\x1b\\",
    "apc": f"\x1b_G{MARK}\x1b\\\x1b^{MARK}\x1b\\\x1bX{MARK}\x1b\\",
    "c1": f"\x9b{MARK};1H\x9d0;title-{MARK}\x9c\x90q{MARK}\x9c\x85\x8d",
    "raw c1": f"\udc9b{MARK}A\udc9d0;title-{MARK}\udc9c",  # bytes that are no UTF-8, as file names hold them
    "bidi": "\u202e\u2066OG\u2069\u202c\u200f\u061c",
    "zero width": "G\u200bO\ufeff\u2060\u00ad\U000e0041",
    "carriage return": "all is well\rverdict  GO",
    "backspace": "NO\b\b  GO\x7f",
    "nul": "before\x00after",
    "forged lines": f'x\nverdict  GO   phase {MARK}\n[[event]]\nseq = {MARK}\n[seal]\nsha256 = "{MARK}"\n',
    "forged journal": f'x"""\n{FORGED_EVENT},\n]\n',
    "line ends": f"x\u2028verdict {MARK}\u2029y\x0bz\x0cw\x85v",
    "toml": '""" \'\'\' \\u0000 \\" ] } # [run]',
    "markup": "[bold]b[/bold] [@click=app.quit]q[/] [link=https://evil.example/]l[/link] [/] [red",
    "lone surrogate": "\ud800\udfff",
    "format": "%s %n {0.__class__} ${env:HOME} $(id) `id` ; rm",
}
EVERYTHING = "begin " + " ".join(PAYLOADS.values()) + " end"
ENDLESS = "A" * 1_000_000
UNTERMINATED = f"\x1b]0;title-{MARK}"  # eats what follows it, where a terminal is handed it

any_text = st.text(st.characters(), max_size=40)
hostile_text = st.lists(
    st.sampled_from([*PAYLOADS.values(), UNTERMINATED, "\x1b", "[", "\n", "31337m"]) | any_text
).map("".join)


def storable(text: str) -> str:
    """TEXT as far as UTF-8 can say it: what JSON, TOML, a database or an HTTP body may hold."""
    return text.encode("utf-8", "ignore").decode()


def nameable(text: str) -> str:
    """TEXT as far as a file's name or an argument may hold it."""
    return "".join(ch for ch in text.replace("/", "|").replace("\0", "") if not "\ud800" <= ch < "\udc80")[:80]


def harms(raw: bytes) -> list[str]:
    """What in RAW a terminal would act on, or a person would be misled by; empty when it is lines of plain text."""
    try:
        text = raw.decode().replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        return [f"no UTF-8: {error}"]
    return [
        f"{text[max(n - 20, 0) : n + 20]!r}" for n, ch in enumerate(text) if not (ch.isprintable() or ch in "\n\t")
    ]


# What the cockpit itself may say: SGR, cursor, modes, erasing, queries, the shape of the pointer.
_OWN = re.compile(
    rb"\x1b\[[0-9;:]*[mHABCDJK]|\x1b\[[?>=<]?[0-9;]*\$?[hlupcnqst]|\x1b\]22;[a-z-]{1,20}\x07|\x1b[()][B0]|\x1b[78=>M]"
)


def harms_of_screen(raw: bytes) -> list[str]:
    """What in RAW, all that a cockpit wrote to its terminal, is none of its own sequences."""
    rest = _OWN.sub(b"", raw)
    own = b"".join(_OWN.findall(raw))
    found = [f"a sequence with the mark: {own!r}"] if MARK.encode() in own else []
    text = rest.decode(errors="replace")
    return found + [
        f"{text[max(n - 20, 0) : n + 20]!r}"
        for n, ch in enumerate(text)
        if not (ch.isprintable() or ch in "\r\n") or ch == "\N{REPLACEMENT CHARACTER}"
    ]


def on_a_terminal(
    argv: Sequence[str], folder: Path, environ: Mapping[str, str] | None = None, typed: bytes = b""
) -> tuple[int, bytes]:
    """Run `tminus ARGV` in FOLDER on a terminal of its own: its exit code, and every byte that it wrote there."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "tminus", *argv],
        cwd=folder,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm-256color", **(environ or {})},
        start_new_session=True,
    )
    os.close(theirs)
    if typed:
        os.write(ours, typed)
    raw = b""
    try:
        while data := os.read(ours, 65536):
            raw += data
    except OSError:  # the other side was closed
        pass
    finally:
        os.close(ours)
    return process.wait(timeout=60), raw
