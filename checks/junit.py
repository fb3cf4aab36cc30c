"""JUnit XML as a test runner writes it: how many tests there were, and which did not pass."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

LARGEST = 64 * 2**20  # bytes


@dataclass(frozen=True, slots=True)
class Suite:
    """Counts of test cases, and the names of the first that failed. `seconds` is the sum of what they took."""

    passed: int
    failed: int
    skipped: int
    seconds: float
    first: tuple[str, ...]

    @property
    def total(self) -> int:
        return self.passed + self.failed + self.skipped


def read_junit(path: Path) -> Suite | None:
    """The suites in PATH together; None when it is not there, or is no JUnit XML. An error of a test is a failure."""
    try:
        if path.stat().st_size > LARGEST:
            return None
        root = ET.parse(path).getroot()  # noqa: S314 (the project's own tests wrote it; expat bounds its entities)
    except (OSError, ET.ParseError, ValueError, LookupError):
        return None
    if root.tag not in ("testsuites", "testsuite"):
        return None
    passed = failed = skipped = 0
    seconds, names = 0.0, []
    for case in root.iter("testcase"):
        tags = {child.tag for child in case}
        seconds += _number(case.get("time", ""))
        if tags & {"failure", "error"}:
            failed += 1
            names.append(".".join(filter(None, (case.get("classname"), case.get("name")))))
        elif "skipped" in tags:
            skipped += 1
        else:
            passed += 1
    return Suite(passed, failed, skipped, seconds, tuple(names[:3]))


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        return 0.0
    return value if 0 <= value < float("inf") else 0.0
