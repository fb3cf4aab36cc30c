"""Bytes that arrive in pieces, as whole lines of bounded length."""

from __future__ import annotations

LONGEST = 64 * 1024  # bytes of a line that are looked at; the rest of it is skipped


class Lines:
    """Cuts what arrives into lines. However it is cut into pieces, the lines are the same."""

    def __init__(self) -> None:
        self._half = b""
        self._skipping = False

    def push(self, data: bytes, *, middle: bool = False) -> bytes:
        """The lines that DATA completes, each with its newline and of at most LONGEST bytes before it.

        MIDDLE says that DATA begins in the middle of a line whose beginning is not wanted. NUL bytes are left
        out: a file that was cut under a writer that does not append begins with a hole of them.
        """
        if middle:
            self._half, self._skipping = b"", True
        if b"\0" in data:
            data = data.replace(b"\0", b"")
        if self._skipping:
            end = data.find(b"\n")
            if end < 0:
                return b""
            data, self._skipping = data[end + 1 :], False
        data = self._half + data if self._half else data
        end = data.rfind(b"\n") + 1
        whole, self._half = data[:end], data[end:]
        if len(self._half) > LONGEST:
            cut, self._half, self._skipping = self._half[:LONGEST], b"", True
            return _bounded(whole) + cut + b"\n"
        return _bounded(whole)

    def finish(self) -> bytes:
        """The half line at the end of what is complete now, as a line; b"" where there is none."""
        half, self._half, self._skipping = self._half, b"", False
        return half + b"\n" if half else b""


def _bounded(block: bytes) -> bytes:
    """BLOCK, of whole lines, with those cut that are too long. Jumps: most blocks need a look every 64 KiB."""
    kept: list[bytes] = []
    start = at = 0
    while len(block) - at > LONGEST:
        end = block.rfind(b"\n", at, at + LONGEST + 1)
        if end >= 0:
            at = end + 1
            continue
        kept.append(block[start : at + LONGEST])
        start = block.index(b"\n", at)
        at = start + 1
    if not kept:
        return block
    kept.append(block[start:])
    return b"".join(kept)
