"""Columns of values as COPY takes them and as a proof hashes them, a chunk of rows at a time.

A value at a time in Python is six times slower than this. So a chunk's column is judged as a whole (one set of
types, one comparison of shapes) and left as it is whenever that gives the canonical text anyway; only a column
that holds something else is formed value by value, by canonical.canonical().

Values come as sqlite3 gives them with `text_factory = bytearray`: which tells a text from a blob.

What may be left as it is? Two values that differ must never get the same text, and nothing may be changed. The
rest is judged elsewhere: in a copy by the server, which refuses what does not fit; in a proof by the comparison,
since what does not fit cannot be in the target.
"""

from __future__ import annotations

import struct
from binascii import hexlify
from collections.abc import Callable, Sequence
from types import NoneType

from transfer.canonical import canonical, sendable
from transfer.rules import Apply
from transfer.types import Kind, Type
from transfer.values import Stored, value_of

NUMBER, BYTES = b"%d", b"%b"

# A column of a chunk without NULL, and the types in it -> how % prints one, and what it prints.
Form = Callable[[Sequence[Stored], set[type]], tuple[bytes, Sequence[object]]]
# The same with NULL.
Lane = Callable[[Sequence[Stored]], tuple[bytes, Sequence[object]]]

_TEXT: set[type] = {bytearray}
_NUMBERS: set[type] = {int}
_REALS: set[type] = {float}
_BOTH: set[type] = {int, float}
_BLOBS: set[type] = {bytes}
_ZERO = ord("0")
_DIGITS = bytes.maketrans(b"123456789", b"000000000")
_HEX = bytes.maketrans(b"123456789abcdef", b"000000000000000")


def lane(of: Type, *, null: bytes, sending: bool, rules: Apply | None = None) -> Lane:
    """How a column of type OF is formed, for COPY (SENDING) or for a digest; NULL as the bytes NULL.

    The lane raises Unfit for what cannot be formed. RULES, if any, are applied to each value first.
    """
    if rules is not None:
        return _ruled(of, rules, null=null, sending=sending)
    form = _form(of, sending=sending)

    def formed(column: Sequence[Stored]) -> tuple[bytes, Sequence[object]]:
        types = set(map(type, column))
        if NoneType not in types:
            return form(column, types)
        types.discard(NoneType)
        there = [v for v in column if v is not None]
        printed, texts = form(there, types)
        if printed != BYTES:
            texts = [printed % t for t in texts]
        following = iter(texts).__next__
        return BYTES, [null if v is None else following() for v in column]

    return formed


def trusting(of: Type) -> bytes | None:
    """How % prints a column to be sent without a look at its values; None where it has to be looked at.

    % fails on what is no integer, or no bytes; but a real in %d, or a blob in a text, goes through and is noticed
    by the proof.
    """
    match of.kind:
        case Kind.INTEGER | Kind.BOOLEAN:
            return NUMBER
        case Kind.TEXT | Kind.JSON | Kind.JSONB:
            return BYTES
        case _:
            return None


def _form(of: Type, *, sending: bool) -> Form:
    slow = _slow(of, sending=sending)
    trimmed = not sending
    match of.kind:
        case Kind.INTEGER | Kind.BOOLEAN:
            return _as_they_are(_NUMBERS, NUMBER, slow)
        case Kind.PADDED if of.name.startswith("character("):
            return slow  # which drops blanks at the end, silently
        case Kind.TEXT | Kind.PADDED | Kind.JSON | Kind.OTHER:
            return _as_they_are(_TEXT, BYTES, slow)
        case Kind.JSONB | Kind.UUID if sending:
            return _as_they_are(_TEXT, BYTES, slow)
        case Kind.UUID:
            return _shaped((b"00000000-0000-0000-0000-000000000000",), _HEX, slow)
        case Kind.FLOAT if of.size != 4:
            return _as_they_are(_REALS, b"%a", slow) if sending else _bits(slow)
        case Kind.NUMERIC:
            return _decimals(of, slow)
        case Kind.BYTES:
            return _hex(slow)
        case Kind.DATE:
            return _shaped((b"0000-00-00",), _DIGITS, slow)
        case Kind.TIMESTAMP | Kind.TIMESTAMPTZ if of.scale in (None, 6):
            return _shaped((b"0000-00-00 00:00:00.000000", b"0000-00-00 00:00:00"), _DIGITS, slow, trimmed=trimmed)
        case Kind.TIME if of.scale in (None, 6):
            return _shaped((b"00:00:00.000000", b"00:00:00"), _DIGITS, slow, trimmed=trimmed)
        case _:
            return slow


def _slow(of: Type, *, sending: bool) -> Form:
    """Value by value. Texts get their canonical form, or Unfit is raised."""
    form = sendable if sending else canonical

    def formed(column: Sequence[Stored], types: set[type]) -> tuple[bytes, Sequence[object]]:
        texts = (form(value_of(v), of) for v in column)
        return BYTES, [t.encode() if t is not None else b"" for t in texts]

    return formed


def _as_they_are(expected: set[type], printed: bytes, slow: Form) -> Form:
    return lambda column, types: (printed, column) if types == expected else slow(column, types)


def _bits(slow: Form) -> Form:
    """The eight bytes of each double in hexadecimal, as encode(float8send(x), 'hex') gives them."""

    def formed(column: Sequence[Stored], types: set[type]) -> tuple[bytes, Sequence[object]]:
        if types != _REALS:
            return slow(column, types)
        digits = hexlify(struct.pack(f">{len(column)}d", *column))
        return BYTES, [digits[i : i + 16] for i in range(0, len(digits), 16)]

    return formed


def _decimals(of: Type, slow: Form) -> Form:
    """Doubles as the shortest decimal that reads back the same, which is what was meant."""
    most = 1000 if of.scale is None else of.scale

    def formed(column: Sequence[Stored], types: set[type]) -> tuple[bytes, Sequence[object]]:
        if types == _NUMBERS:
            return NUMBER, column
        if not types <= _BOTH:  # a column of numerics holds 5.0 as the integer 5
            return slow(column, types)
        texts = [b"%a" % v for v in column]
        together = b"".join(texts)
        # An exponent, an infinity, -0: not as numeric prints them.
        if b"e" in together or b"n" in together or b"-0.0" in texts:
            return slow(column, types)
        texts = [t[:-2] if t[-2:] == b".0" else t for t in texts]
        # Nothing may be rounded.
        if any(b"." in t and len(t) - t.rfind(b".") - 1 > most for t in texts):
            return slow(column, types)
        return BYTES, texts

    return formed


def _hex(slow: Form) -> Form:
    def formed(column: Sequence[Stored], types: set[type]) -> tuple[bytes, Sequence[object]]:
        if types != _BLOBS:
            return slow(column, types)
        return BYTES, [b"\\x" + hexlify(v) for v in column]  # type: ignore[arg-type]

    return formed


def _shaped(shapes: tuple[bytes, ...], alphabet: bytes, slow: Form, *, trimmed: bool = False) -> Form:
    """Texts of one of SHAPES (with every letter of ALPHABET made a 0) are canonical already; if TRIMMED, without
    the zeros at the end of the first shape's fraction, which PostgreSQL does not print."""
    first = shapes[0]
    template = first + b"\n"

    def each(v: Stored) -> bytes:
        if isinstance(v, bytearray):
            shape = v.translate(alphabet)
            if shape in shapes:
                return _trim(v) if trimmed and shape == first else bytes(v)
        return slow([v], set())[1][0]  # type: ignore[return-value]

    def formed(column: Sequence[Stored], types: set[type]) -> tuple[bytes, Sequence[object]]:
        if types != _TEXT:
            return BYTES, [each(v) for v in column]
        lines = b"\n".join(column) + b"\n"  # type: ignore[arg-type]  # all of them are texts
        if lines.translate(alphabet) != template * len(column):
            return BYTES, [each(v) for v in column]
        if not trimmed:
            return BYTES, column
        return BYTES, [v if v[-1] != _ZERO else _trim(v) for v in column]  # type: ignore[index,arg-type]

    return formed


def _trim(v: bytes | bytearray) -> bytes:
    return bytes(v).rstrip(b"0").rstrip(b".")


def _ruled(of: Type, rules: Apply, *, null: bytes, sending: bool) -> Lane:
    """Value by value, NULL too: a rule may make a NULL of a value."""
    form = sendable if sending else canonical

    def formed(column: Sequence[Stored]) -> tuple[bytes, Sequence[object]]:
        texts = (form(rules(value_of(v)), of) for v in column)
        return BYTES, [null if t is None else t.encode() for t in texts]

    return formed
