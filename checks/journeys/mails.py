"""Mails that the app sent, where a person can read them: a folder, a Maildir, an mbox, or what a program prints."""

from __future__ import annotations

import email
import email.policy
import heapq
import re
from collections.abc import Iterable, Iterator
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from pathlib import Path

_LARGEST = 2 * 2**20
_MBOX = 64 * 2**20
_MOST = 500  # of the newest mails
_FROM = re.compile(rb"^From [^\n]*\n", re.MULTILINE)
_SLACK = 2  # seconds: a mail's own date has no fractions


def newest(messages: Iterable[EmailMessage], to: str, contains: list[str]) -> str | None:
    """The text of the first of MESSAGES that goes to TO and holds all of CONTAINS; None when there is none."""
    for message in messages:
        receivers = " ".join(str(message.get(name, "")) for name in ("To", "Delivered-To", "X-Original-To"))
        if to.lower() in receivers.lower():
            text = _text(message)
            if all(word in text for word in contains):
                return text
    return None


def in_outbox(outbox: Path, since_ns: int) -> Iterator[EmailMessage]:
    """The mails of OUTBOX since that moment, the newest first. Raises OSError."""
    if outbox.is_file():
        with outbox.open("rb") as file:
            file.seek(max(0, outbox.stat().st_size - _MBOX))
            yield from printed(file.read(), since_ns)
        return
    folders = [outbox / name for name in ("new", "cur")] if (outbox / "cur").is_dir() else [outbox]
    found = []
    for folder in folders:
        for path in folder.glob("[!.]*"):
            info = path.stat()
            if path.is_file() and info.st_mtime_ns >= since_ns:
                found.append((info.st_mtime_ns, path))
    for _, path in heapq.nlargest(_MOST, found):
        with path.open("rb") as file:
            yield _parsed(file.read(_LARGEST))


def printed(raw: bytes, since_ns: int) -> Iterator[EmailMessage]:
    """The mails in RAW, one or an mbox of them, the last first. One that says no date is not known to be new."""
    pieces = [piece for piece in _FROM.split(raw) if piece.strip()]
    for piece in reversed(pieces[-_MOST:]):
        message = _parsed(piece[:_LARGEST])
        try:
            sent = parsedate_to_datetime(str(message.get("Date", ""))).timestamp()
        except (ValueError, OverflowError):
            continue
        if sent >= since_ns / 1e9 - _SLACK:
            yield message


def _parsed(raw: bytes) -> EmailMessage:
    message = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


def _text(message: EmailMessage) -> str:
    body = message.get_body(("plain", "html"))
    if body is None:
        return ""
    try:
        return str(body.get_content())
    except (LookupError, ValueError):  # a charset that nobody knows
        raw = body.get_payload(decode=True)
        return raw.decode(errors="replace") if isinstance(raw, bytes) else ""
