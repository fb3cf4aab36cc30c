"""What a gate calls bad, in the words of a checklist: `> 10%`, `>= 500ms`, `> 2x baseline`."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from state.durations import parse_duration

Op = Literal[">", ">=", "<", "<="]

COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
_CONDITION = re.compile(r"\s*(>=|<=|>|<)\s*([-+]?\d+(?:\.\d+)?)\s*(%|[a-z]*)(\s+baseline)?\s*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Condition:
    """An operator and a limit as they were written.

    number       before its unit is taken into account: 10 of "10%", 2 of "2x baseline"
    unit         "%", a unit of time, "x" of a multiple, or ""
    of_baseline  the limit is NUMBER times what the metric was before the cutover
    """

    op: Op
    number: float
    unit: str = ""
    of_baseline: bool = False

    def limit(self, baseline: float | None = None) -> float | None:
        """The limit in the metric's own unit: per cent become 0..1, durations become milliseconds.

        None when it hangs on a BASELINE that says nothing: none captured, no finite number, below zero. Of a
        baseline of zero only "more than that" can be judged; any other multiple of it is always or never met.
        """
        if not self.of_baseline:
            if self.unit == "%":
                return self.number / 100
            return parse_duration(f"{self.number:f}{self.unit}") * 1000 if self.unit else self.number
        if baseline is None or not math.isfinite(baseline) or baseline < 0 or (baseline == 0 and self.op != ">"):
            return None
        limit = self.number * baseline
        return limit if math.isfinite(limit) else None


def condition_of(text: str) -> Condition:
    """The condition in TEXT. Raises ValueError when TEXT is none.

    >>> condition_of("> 10%"), condition_of("> 2x baseline").of_baseline
    (Condition(op='>', number=10.0, unit='%', of_baseline=False), True)
    """
    found = _CONDITION.fullmatch(text)
    if not found:
        raise ValueError(
            f"{text!r} is not a condition: write an operator and a limit, as in > 10%, > 500ms, < 3, > 2x baseline"
        )
    op, number, unit, baseline = found.groups()
    condition = Condition(op, float(number), unit, bool(baseline))  # type: ignore[arg-type]  # one of the four
    if condition.of_baseline != (unit == "x"):
        raise ValueError(f"{text!r} is not a condition: a multiple is written > 2x baseline")
    if condition.of_baseline and not 0 < condition.number < math.inf:
        raise ValueError(f"{text!r} is not a condition: a multiple of a baseline is over 0")
    try:
        condition.limit()
    except ValueError as why:
        raise ValueError(f"{text!r} is not a condition: {why}") from why
    return condition


def parse_condition(text: str) -> tuple[Op, float]:
    """The operator and the limit in TEXT, for those who know of no baseline.

    Raises ValueError when TEXT is no condition, or its limit hangs on a baseline.

    >>> parse_condition("> 10%"), parse_condition("> 500ms"), parse_condition(">= 3")
    (('>', 0.1), ('>', 500.0), ('>=', 3.0))
    """
    condition = condition_of(text)
    limit = condition.limit()
    if limit is None:
        raise ValueError(f"{text!r} has no limit before its baseline is known")
    return condition.op, limit
