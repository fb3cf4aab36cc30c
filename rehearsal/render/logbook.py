"""The log lines of services and databases: the newest of them, in memory."""

import itertools
import re
import threading
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

KEPT = 20_000
_LEVEL = re.compile(r"\[(DEBUG|INFO|WARNING|ERROR|CRITICAL)\]|^(Traceback|ERROR|WARNING)\b")


@dataclass(frozen=True, slots=True)
class Line:
    """One line. LABELS: resource, type (app, build, request), level, instance, and those of a request."""

    id: str
    at: datetime
    message: str
    labels: Mapping[str, str]


@dataclass
class Logbook:
    lines: deque[Line] = field(default_factory=lambda: deque(maxlen=KEPT))
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))
    _read: dict[Path, int] = field(default_factory=dict)

    def add(self, resource: str, kind: str, message: str, **labels: str) -> None:
        """One line of RESOURCE, as it happens now."""
        found = _LEVEL.search(message)
        level = (found[1] or found[2] or "info").lower().replace("traceback", "error") if found else "info"
        named = {"resource": resource, "type": kind, "level": level} | labels
        with self._lock:
            self.lines.append(Line(f"log-{next(self._numbers)}", datetime.now(UTC), message, named))

    def follow(self, path: Path, resource: str, **labels: str) -> None:
        """Add what was written to PATH since the last call; the first call begins at its end."""
        try:
            size = path.stat().st_size
        except FileNotFoundError:
            return
        position = self._read.setdefault(path, size)
        if size <= position:
            self._read[path] = size
            return
        with path.open("rb") as file:
            file.seek(position)
            content = file.read(1_000_000)
        whole = content[: content.rfind(b"\n") + 1]
        self._read[path] = position + len(whole)
        for text in whole.decode(errors="replace").splitlines():
            self.add(resource, "app", text, **labels)

    def page(
        self,
        resources: Iterable[str],
        begin: datetime,
        end: datetime,
        wanted: Mapping[str, list[str]],
        *,
        forward: bool,
        limit: int,
    ) -> tuple[list[Line], bool]:
        """LIMIT lines from BEGIN to END that fit WANTED (patterns by label; "text" is of the message), and whether
        there are more. Backward: the newest first."""
        with self._lock:
            lines = list(self.lines)
        resources = set(resources)
        found = [
            one
            for one in lines
            if one.labels["resource"] in resources and begin <= one.at <= end and _fits(one, wanted)
        ]
        if not forward:
            found.reverse()
        return found[:limit], len(found) > limit


def _fits(line: Line, wanted: Mapping[str, list[str]]) -> bool:
    def one(name: str, pattern: str) -> bool:
        value = line.message if name == "text" else line.labels.get(name, "")
        if len(pattern) > 1 and pattern.startswith("/") and pattern.endswith("/"):
            return re.search(pattern[1:-1], value) is not None
        parts = ".*".join(map(re.escape, pattern.split("*")))
        if name == "text":
            return re.search(parts, value, re.IGNORECASE) is not None
        return re.fullmatch(parts, value) is not None

    return all(any(one(name, pattern) for pattern in patterns) for name, patterns in wanted.items())
