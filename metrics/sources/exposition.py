"""The Prometheus text format as numbers: sums, differences of counters, quantiles of a histogram's buckets.

Source: Prometheus documentation, "Exposition formats" and "histogram_quantile".
"""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

Key = tuple[str, frozenset[tuple[str, str]]]
Scrape = Mapping[Key, float]

HIGHEST = 1e18  # of a counter: so that no sum is without end
_AT_ONCE, _MOST, _LONGEST = 500, 20_000, 16_384  # lines parsed at once, lines, characters of a line
_LINE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)?(?:\{.*\}[ \t]*|[ \t]+)\S+(?:[ \t]+-?[0-9.]+)?[ \t]*(?:#.*)?")


def parse(text: str) -> dict[Key, float]:
    """Every sample of TEXT by its name and labels. Raises ValueError when TEXT is not in the format."""
    return {
        (sample.name, frozenset(sample.labels.items())): float(sample.value)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def scrape_of(text: str, wanted: Collection[str]) -> dict[Key, float]:
    """The samples of TEXT that are called one of WANTED; others may run meanwhile, however long TEXT is.

    Raises ValueError when a line of TEXT is not in the format, or over 20,000 lines are WANTED.
    """
    kept, scrape = [], {}
    for line in text.split("\n"):
        if not line or line.isspace() or line.startswith("#"):
            continue
        found = _LINE.fullmatch(line.strip()) if len(line) <= _LONGEST else None
        if found is None:
            raise ValueError("not in the Prometheus text format")
        if found[1] in wanted or found[1] is None:  # {"name", …} has its name within
            kept.append(line)
    if len(kept) > _MOST:
        raise ValueError("too many samples")
    for begin in range(0, len(kept), _AT_ONCE):
        scrape.update(parse("\n".join(kept[begin : begin + _AT_ONCE]) + "\n"))
        await asyncio.sleep(0)  # the parser takes some 20 µs a line
    return scrape


def named(scrape: Scrape, name: str) -> list[tuple[dict[str, str], float]]:
    """The samples called NAME, with their labels; those that are no number are left out."""
    return [(dict(labels), value) for (key, labels), value in scrape.items() if key == name and math.isfinite(value)]


def increases(before: Scrape, after: Scrape, name: str) -> list[tuple[dict[str, str], float]] | None:
    """How much each counter called NAME grew; one that is new grew from 0. None when one of them fell or is
    gone: then another process answered, or it was started anew, and the difference means nothing."""
    old = {key: value for key, value in before.items() if key[0] == name}
    new = {key: value for key, value in after.items() if key[0] == name}
    if not old.keys() <= new.keys():
        return None
    grown = [(dict(key[1]), value - old.get(key, 0.0)) for key, value in new.items()]
    return None if any(not 0 <= g <= HIGHEST for _, g in grown) else grown  # NaN is neither


@dataclass(frozen=True, slots=True)
class Quantile:
    """A quantile of bucket counts: VALUE in the histogram's unit, of COUNT events; AT_LEAST when it lies
    above the last bound, so that only the bound is known."""

    value: float | None
    count: int
    at_least: bool = False


def quantile(part: float, buckets: Iterable[tuple[Mapping[str, str], float]], enough: int) -> Quantile:
    """The PART (0..1) quantile of cumulative BUCKETS, linear within one; None under ENOUGH events.

    Raises ValueError for a bound that is none.
    """
    by_bound: dict[float, float] = {}
    for labels, count in buckets:
        bound = float(labels.get("le", ""))
        if math.isnan(bound) or bound == -math.inf:
            raise ValueError("no bound of a bucket")
        by_bound[bound] = by_bound.get(bound, 0.0) + count
    total = by_bound.get(math.inf, 0.0)
    if total < enough or total <= 0:
        return Quantile(None, int(total))
    rank, low, under = part * total, 0.0, 0.0
    for bound in sorted(by_bound):
        reached = by_bound[bound]
        if reached >= rank:
            if math.isinf(bound):
                return Quantile(low, int(total), at_least=True)
            inside = (rank - under) / (reached - under) if reached > under else 1.0
            return Quantile(low + (bound - low) * inside, int(total))
        low, under = bound, reached
    return Quantile(None, int(total))
