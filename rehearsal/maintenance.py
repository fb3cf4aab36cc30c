"""The switch of the site's read-only mode."""

import math

import httpx
from prometheus_client.parser import text_string_to_metric_families

from rehearsal.control import Layout
from rehearsal.processes import wait_until
from rehearsal.stage import Stage, StageError

IN_FLIGHT = "app_writes_in_flight"


def turn_on(stage: Stage, *, patience: float = 20.0) -> str:
    """Make the site read-only, and wait until no write that was let in before is on its way.
    Raises StageError when some still are after PATIENCE seconds; the site stays read-only."""
    stage.maintenance.touch()
    seen: list[float | None] = []
    draining = Layout(stage.folder).draining

    def drained() -> bool:
        if draining.exists():  # an instance that was replaced, and is in nobody's count, may still be writing
            seen.append(math.nan)
            return False
        seen.append(writes_in_flight(stage))
        return seen[-1] in (None, 0.0)

    if not wait_until(drained, patience, every=0.1):
        if math.isnan(seen[-1] or 0.0):
            raise StageError("the site is read-only, but an instance that was replaced has not ended yet")
        raise StageError(f"the site is read-only, but {seen[-1]:g} writes are still on their way")
    if seen[-1] is None:
        return "the site is read-only; the app does not answer, so no writes were waited for"
    return "the site is read-only, no write is on its way"


def turn_off(stage: Stage) -> str:
    stage.maintenance.unlink(missing_ok=True)
    return "the site takes writes again"


def writes_in_flight(stage: Stage) -> float | None:
    """How many requests that may write are being served, over all workers; None when the app is not there.
    Raises StageError when its metrics do not say."""
    try:
        answer = httpx.get(stage.metrics_url, timeout=5.0, trust_env=False)
    except httpx.ConnectError:
        return None
    except httpx.HTTPError as error:
        raise StageError(f"the site is read-only; its metrics failed: {type(error).__name__}") from error
    if answer.status_code == 502:  # the edge answers, and there is no app behind it
        return None
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            if sample.name == IN_FLIGHT:
                return float(sample.value)
    raise StageError(f"the site is read-only; its metrics do not hold {IN_FLIGHT}")
