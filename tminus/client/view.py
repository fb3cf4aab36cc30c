"""A view and an update make the next view. Pure: every screen follows the run by this one function."""

from __future__ import annotations

import msgspec

from tminus.client.messages import Update, View

SERIES_POINTS = 300
OUTPUT_LINES = 500


def merge(view: View, update: Update) -> View:
    """VIEW after UPDATE. New metric values are appended to their series, new output to its lines; both bounded."""
    # What an update leaves as it was stays the same object: screens work nothing out of it a second time.
    series = dict(view.series)
    for name, metric in update.metrics.items():
        series[name] = (*series.get(name, ()), metric.value)[-SERIES_POINTS:]
    output = dict(view.output)
    for item, lines in update.output.items():
        output[item] = (*output.get(item, ()), *lines)[-OUTPUT_LINES:]
    # A check that starts again starts with an empty page.
    for item, state in update.items.items():
        before = view.items.get(item)
        if state.status == "running" and (before is None or before.attempts != state.attempts):
            output[item] = update.output.get(item, ())
    return msgspec.structs.replace(
        view,
        run=update.run or view.run,
        items={**view.items, **update.items} if update.items else view.items,
        gates={**view.gates, **update.gates} if update.gates else view.gates,
        metrics={**view.metrics, **update.metrics} if update.metrics else view.metrics,
        series=series,
        holds=view.holds if update.holds is None else update.holds,
        crew=update.crew or view.crew,
        gone=view.gone if update.gone is None else update.gone,
        times={**view.times, **update.times} if update.times else view.times,
        standing=update.standing or view.standing,
        progress={**view.progress, **update.progress} if update.progress else view.progress,
        output=output,
    )
