"""Digests of a table's contents, made the same way on both sides.

A table with an integer key is read in the order of that key and hashed as one text. Any other order would rest on
collations, and on PostgreSQL's side on a sort of whole rows; so the rows of every other table are hashed one by one
and the hashes added up, which is the same in any order and still counts a row that is there twice.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from transfer.pairing import ColumnPair, TablePair
from transfer.types import Kind

# Rows of a part: small enough to be shared out evenly, and to be searched again when they differ.
PART_ROWS = 100_000
_MODULUS = 2**256


@dataclass(frozen=True, slots=True)
class Digest:
    """ROWS and a sha256 in hexadecimal; SHA256 is None when a value fits no canonical form."""

    rows: int
    sha256: str | None


@dataclass(frozen=True, slots=True)
class Part:
    """Rows of the pair at PLACE whose key is >= LOW and < HIGH; None is no bound."""

    place: int
    low: int | None = None
    high: int | None = None

    def where(self, column: str) -> str:
        """The bounds as SQL of both sides; COLUMN is quoted."""
        bounds = [f"{column} >= {self.low:d}"] if self.low is not None else []
        bounds += [f"{column} < {self.high:d}"] if self.high is not None else []
        return " AND ".join(bounds)


def ordered_by(pair: TablePair) -> tuple[ColumnPair, ...]:
    """The columns that both sides can be read in the order of; () = none."""
    simple = all(c.type.kind is Kind.INTEGER and not c.rules and not c.orphaned for c in pair.key)
    return pair.key if simple else ()


def split(place: int, pair: TablePair, rows: int, low: int | None, high: int | None) -> list[Part]:
    """Parts of about PART_ROWS, when keys LOW to HIGH are spread evenly; the first and the last are open."""
    n = -(-rows // PART_ROWS)
    if n < 2 or len(ordered_by(pair)) != 1 or low is None or high is None or high - low < n:
        return [Part(place)]
    cuts = [low + (high - low + 1) * i // n for i in range(1, n)]
    return [Part(place, a, b) for a, b in zip([None, *cuts], [*cuts, None], strict=True)]


def together(parts: Sequence[Digest]) -> Digest:
    """One digest of a table from those of its parts, in their order."""
    if len(parts) == 1:
        return parts[0]
    hasher = hashlib.sha256()
    for part in parts:
        if part.sha256 is None:
            return Digest(sum(p.rows for p in parts), None)
        hasher.update(bytes.fromhex(part.sha256))
    return Digest(sum(p.rows for p in parts), hasher.hexdigest())


class Sequence256:
    """sha256 of the text as it comes."""

    def __init__(self) -> None:
        self._hasher = hashlib.sha256()
        self.update: Callable[[bytes], None] = self._hasher.update

    def hexdigest(self) -> str:
        return self._hasher.hexdigest()


class Multiset256:
    """The sum of the sha256 of every line, modulo 2^256: the same in whatever order the lines come."""

    def __init__(self) -> None:
        self._sum = 0
        self._rest = b""

    def update(self, text: bytes) -> None:
        lines = (self._rest + text).split(b"\n")
        self._rest = lines.pop()
        number, sha256 = int.from_bytes, hashlib.sha256
        self._sum = (self._sum + sum([number(sha256(line).digest(), "big") for line in lines])) % _MODULUS

    def hexdigest(self) -> str:
        return f"{self._sum:064x}"


def hasher_of(pair: TablePair) -> Sequence256 | Multiset256:
    return Sequence256() if ordered_by(pair) else Multiset256()


class Hashing(io.RawIOBase):
    """A file that hashes what is written to it; to be put behind a BufferedWriter, so that rows cost nothing."""

    def __init__(self, hasher: Sequence256 | Multiset256, tell: Callable[[int], None]) -> None:
        super().__init__()
        self.rows = 0
        self._hasher, self._tell = hasher, tell

    def writable(self) -> bool:
        return True

    def write(self, data: object, /) -> int:
        text = bytes(data)  # type: ignore[call-overload]  # the writer's buffer, which it uses again
        self._hasher.update(text)
        self.rows += text.count(b"\n")
        self._tell(self.rows)
        return len(text)
