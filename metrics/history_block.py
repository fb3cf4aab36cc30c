"""Some minutes of one metric as one compressed block, and back again. Pure, and exact to the last bit.

A block is a version byte and a zlib stream of columns: times as differences of differences, whole numbers in
the narrowest width that holds them all, floats as whole numbers of 10^-k where that is exact, and as their
eight bytes else. Bytes of the same weight stand together, which is what lets zlib see how little changes. A
value that is just bad / volume is not kept at all. Histograms are opened first: forty of them compress as one.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import struct
import sys
import zlib
from array import array
from collections.abc import Iterable, Sequence
from itertools import accumulate

from metrics.history_rows import Row
from metrics.samples import divide

VERSION = 1
LARGEST = 64 * 1024 * 1024  # of an opened block: one that swells beyond was not written by us
_VALUE, _DERIVED, _BAD, _TEXT, _LATENCY, _FOREIGN = 1, 2, 4, 8, 16, 32  # what a row has
_WIDTHS = "bhiq"
_EXACT = 2**53
_HEAD = struct.Struct("<II")


class BadBlock(ValueError):
    """Bytes that are no block: cut, changed, or of a newer version."""


def pack(rows: Sequence[Row]) -> bytes:
    """ROWS, at least one, as a block."""
    flags, values, bads, texts, places, opened = bytearray(), [], [], dict[tuple[str, str], int](), [], []
    for row in rows:
        flag = 0
        if row.value is not None:
            derived = row.bad is not None and _same(divide(row.bad, row.volume), row.value)
            flag |= _DERIVED if derived else _VALUE
            if not derived:
                values.append(row.value)
        if row.bad is not None:
            flag |= _BAD
            bads.append(row.bad)
        if row.error or row.why:
            flag |= _TEXT
            places.append(texts.setdefault((row.error, row.why), len(texts)))
        if row.latency is not None:
            flag |= _LATENCY
            plain = _opened(row.latency)
            flag |= _FOREIGN if plain is None else 0
            opened.append(row.latency if plain is None else plain)
        flags.append(flag)
    columns = (
        _whole(_steps(_steps(row.at for row in rows))),
        bytes(flags),
        _whole(_steps(row.volume for row in rows)),
        _floats(values),
        _floats(bads),
        _whole(places),
        json.dumps(list(texts), ensure_ascii=False).encode(),
        _whole([len(one) for one in opened]),
        b"".join(opened),
    )
    sizes = struct.pack(f"<{len(columns) + 1}I", len(rows), *map(len, columns))
    return bytes([VERSION]) + zlib.compress(sizes + b"".join(columns), 6)


def unpack(block: bytes) -> list[Row]:
    """The rows of BLOCK. Raises BadBlock for what is none."""
    if not block or block[0] != VERSION:
        raise BadBlock("a block of another version")
    try:
        stream = zlib.decompressobj()
        data = stream.decompress(block[1:], LARGEST)
        if not stream.eof:
            raise BadBlock("a block that is cut or too large")
        return _rows(data)
    except BadBlock:
        raise
    except (zlib.error, struct.error, ValueError, TypeError, IndexError, StopIteration, OverflowError) as error:
        raise BadBlock(f"a damaged block ({type(error).__name__})") from None


def unpack_values(block: bytes) -> tuple[list[int], list[float | None]]:
    """The times (milliseconds since 1970) and the values of BLOCK alone: most of the time that
    `unpack` takes goes into the rest. Raises BadBlock for what is none."""
    if not block or block[0] != VERSION:
        raise BadBlock("a block of another version")
    try:
        stream = zlib.decompressobj()
        columns, count = _columns(stream.decompress(block[1:], LARGEST))
        if not stream.eof:
            raise BadBlock("a block that is cut or too large")
        times, flags = list(accumulate(accumulate(_numbers(columns[0])))), columns[1]
        if not len(times) == len(flags) == count:
            raise BadBlock("columns of different lengths")
        return times, _values(columns, flags)
    except BadBlock:
        raise
    except (zlib.error, struct.error, ValueError, TypeError, IndexError, StopIteration, OverflowError) as error:
        raise BadBlock(f"a damaged block ({type(error).__name__})") from None


def _values(columns: Sequence[bytes], flags: bytes) -> list[float | None]:
    values = _reals(columns[3])
    if len(values) == len(flags) and all(flag & _VALUE for flag in set(flags)):
        return [*values]
    rest, bads, volumes = iter(values), iter(_reals(columns[4])), _sums(_numbers(columns[2]))
    found: list[float | None] = []
    for flag, volume in zip(flags, volumes, strict=True):
        bad = next(bads) if flag & _BAD else None
        found.append(next(rest) if flag & _VALUE else divide(bad, volume) if flag & _DERIVED else None)
    return found


def _columns(data: bytes) -> tuple[list[bytes], int]:
    """The columns of an opened block, and how many rows it has."""
    count, *sizes = struct.unpack_from("<10I", data)
    columns, place = [], 40
    for size in sizes:
        columns.append(data[place : place + size])
        place += size
    if place != len(data):
        raise BadBlock("columns of different lengths")
    return columns, count


def _rows(data: bytes) -> list[Row]:
    columns, count = _columns(data)
    times, flags, volumes = _sums(_sums(_numbers(columns[0]))), columns[1], _sums(_numbers(columns[2]))
    if not len(times) == len(flags) == len(volumes) == count:
        raise BadBlock("columns of different lengths")
    values, bads = iter(_reals(columns[3])), iter(_reals(columns[4]))
    texts, places = json.loads(columns[6]), iter(_numbers(columns[5]))
    latencies = iter(_cut(columns[8], _numbers(columns[7])))
    rows = []
    for at, flag, volume in zip(times, flags, volumes, strict=True):
        bad = next(bads) if flag & _BAD else None
        value = next(values) if flag & _VALUE else divide(bad, volume) if flag & _DERIVED else None
        error, why = texts[next(places)] if flag & _TEXT else ("", "")
        latency = next(latencies) if flag & _LATENCY else None
        if latency is not None and not flag & _FOREIGN:
            latency = _closed(latency)
        rows.append(Row(at, value, volume, bad, error, why, latency))
    return rows


def _same(one: float | None, other: float) -> bool:
    """Equal to the bit: 0.0 is not -0.0."""
    return one == other and math.copysign(1.0, one) == math.copysign(1.0, other)


def _steps(numbers: Iterable[int]) -> list[int]:
    before, steps = 0, []
    for number in numbers:
        steps.append(number - before)
        before = number
    return steps


def _sums(steps: Iterable[int]) -> list[int]:
    total, sums = 0, []
    for step in steps:
        total += step
        sums.append(total)
    return sums


def _whole(numbers: Sequence[int]) -> bytes:
    """NUMBERS in the narrowest width, bytes of the same weight together; of the few wide ones the first row is
    usual (a start of 1970), so it stands apart."""
    head, rest = numbers[:2], numbers[2:]
    low, high = min(rest, default=0), max(rest, default=0)
    for width, code in zip((1, 2, 4, 8), _WIDTHS, strict=True):
        if -(1 << 8 * width - 1) <= low and high < 1 << 8 * width - 1:
            return b"".join(
                (code.encode(), bytes([len(head)]), _big(head), _woven(array(code, rest).tobytes(), width))
            )
    # Differences of 64-bit numbers may need one bit more: as text, which has no width.
    return b"t" + ",".join(map(str, numbers)).encode()


def _big(numbers: Sequence[int]) -> bytes:
    return b"".join(number.to_bytes(9, "little", signed=True) for number in numbers)


def _numbers(column: bytes) -> list[int]:
    code = chr(column[0])
    if code == "t":
        return [int(number) for number in column[1:].split(b",")]
    few, start = column[1], 2 + 9 * column[1]
    head = [int.from_bytes(column[2 + 9 * n : 11 + 9 * n], "little", signed=True) for n in range(few)]
    return [*head, *_array(code, column[start:])]


def _floats(values: Sequence[float]) -> bytes:
    """VALUES as whole numbers of 10^-k (code k), or as they stand (code r)."""
    for digits in (0, 1, 2, 3, 4, 6):
        scaled = _scaled(values, 10.0**digits)
        if scaled is not None:
            return str(digits).encode() + _whole(_steps(scaled))
    return b"r" + _woven(array("d", values).tobytes(), 8)


def _scaled(values: Sequence[float], scale: float) -> list[int] | None:
    scaled = []
    for value in values:
        if not abs(value) * scale < _EXACT:  # NaN too
            return None
        number = round(value * scale)
        if number / scale != value or (number == 0 and math.copysign(1.0, value) < 0):
            return None
        scaled.append(number)
    return scaled


def _reals(column: bytes) -> list[float]:
    if column[:1] == b"r":
        return list(_array("d", column[1:]))
    scale = 10.0 ** int(column[:1])
    return [number / scale for number in _sums(_numbers(column[1:]))]


def _array(code: str, woven: bytes) -> array[int] | array[float]:
    numbers: array[int] | array[float] = array(code)
    numbers.frombytes(_unwoven(woven, numbers.itemsize))
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


def _woven(data: bytes, width: int) -> bytes:
    if sys.byteorder == "big":
        swapped = array({1: "b", 2: "h", 4: "i", 8: "q"}[width], data)
        swapped.byteswap()
        data = swapped.tobytes()
    return b"".join(data[n::width] for n in range(width))


def _unwoven(data: bytes, width: int) -> bytes:
    count, odd = divmod(len(data), width)
    if odd:
        raise BadBlock("half a number")
    plain = bytearray(len(data))
    for n in range(width):
        plain[n::width] = data[n * count : (n + 1) * count]
    return bytes(plain)


def _cut(data: bytes, sizes: Iterable[int]) -> list[bytes]:
    parts, place = [], 0
    for size in sizes:
        if size < 0 or place + size > len(data):
            raise BadBlock("a histogram that is not there")
        parts.append(data[place : place + size])
        place += size
    return parts


def _opened(latency: bytes) -> bytes | None:
    """An encoded histogram without base64 and zlib; None unless the way back gives the same bytes."""
    try:
        head_and_stream = base64.b64decode(latency, validate=True)
        cookie, length = struct.unpack_from(">II", head_and_stream)
        if length != len(head_and_stream) - _HEAD.size:
            return None
        plain = struct.pack(">I", cookie) + zlib.decompress(head_and_stream[_HEAD.size :])
    except (binascii.Error, struct.error, zlib.error, ValueError):
        return None
    return plain if _closed(plain) == latency else None


def _closed(plain: bytes) -> bytes:
    stream = zlib.compress(plain[4:])
    return base64.b64encode(plain[:4] + struct.pack(">I", len(stream)) + stream)
