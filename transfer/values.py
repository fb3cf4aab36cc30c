"""A value as SQLite holds it, and what is said of one that PostgreSQL cannot hold."""

from __future__ import annotations

Value = int | float | str | bytes | None
# As sqlite3 gives it with `text_factory = bytearray`, which tells a text from a blob and decodes nothing.
Stored = int | float | bytearray | bytes | None


def value_of(stored: Stored) -> Value:
    """Bytes of a text that are no UTF-8 become surrogates, so that nothing is lost and everything is seen."""
    return stored.decode("utf-8", "surrogateescape") if isinstance(stored, bytearray) else stored


class Unfit(ValueError):
    """A value that the target's type cannot hold unchanged; the message says why."""
