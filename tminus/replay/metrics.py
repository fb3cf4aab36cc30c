"""What the screens showed of the metrics at a moment, from the history. Pure but for the file that is asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib import import_module
from itertools import pairwise

from metrics.config import KINDS
from metrics.gate_model import Op, parse_condition
from metrics.history import Recording
from metrics.samples import Measurement
from metrics.sources import Metric
from metrics.views import status_of, text_of
from state.clean import clean, shorten
from state.definition import Checklist
from tminus.client.messages import MetricView
from tminus.client.view import SERIES_POINTS

STALE_INTERVALS = 3
LONGEST_INTERVAL = 60.0
_LOOK_BACK = 3  # gaps between looks that tell how often one looks


@dataclass(frozen=True)
class Shown:
    """How a metric is drawn: what it is, which source reports it, and the limit of its first gate."""

    metric: str
    face: Metric
    source: str = ""
    op: Op = ">"
    limit: float | None = None


def shown_metrics(checklist: Checklist) -> dict[str, Shown]:
    """The metrics that the screens of CHECKLIST show: those with a gate, and the headlines of its sources."""
    limits: dict[str, tuple[Op, float]] = {}
    for gate in checklist.gate:
        try:
            limits.setdefault(gate.metric, parse_condition(gate.when))
        except ValueError:
            continue  # a gate of an older tminus: its metric is shown without a limit
    found = {name: Shown(name, Metric(name, "", ""), name.partition(".")[0], *limits[name]) for name in limits}
    for source, table in checklist.metrics.items():
        for name, face in _faces(source, table).items():
            if name in limits:
                found[name] = Shown(name, face, source, *limits[name])
            elif face.headline:
                found[name] = Shown(name, face, source, limit=face.limit)
    return found


def _faces(source: str, table: object) -> Mapping[str, Metric]:
    kind = table.get("source", source) if isinstance(table, Mapping) else source
    if kind not in KINDS:
        return {}
    try:
        faces: Mapping[str, Metric] = import_module(f"metrics.sources.{kind}").METRICS
    except (ImportError, AttributeError):
        return {}
    if kind == source:
        return faces
    return {f"{source}.{name.partition('.')[2]}": face for name, face in faces.items()}


def metrics_at(
    recording: Recording, shown: Mapping[str, Shown], moment: datetime
) -> tuple[dict[str, MetricView], dict[str, tuple[float | None, ...]]]:
    """The views and the series of the SHOWN metrics at MOMENT. One that was not looked at yet has neither.

    Raises HistoryError."""
    views: dict[str, MetricView] = {}
    series: dict[str, tuple[float | None, ...]] = {}
    newest = recording.at(moment)
    for name, how in shown.items():
        if name not in newest:
            continue
        interval = _interval(recording, newest[name])
        since = moment - timedelta(seconds=interval * SERIES_POINTS)
        points = [one.value for one in recording.samples(name, since, moment)]
        series[name] = tuple(points[-SERIES_POINTS:])
        views[name] = _view(how, newest[name], moment, interval)
    return views, series


def _interval(recording: Recording, newest: Measurement) -> float:
    """Seconds between the looks just before NEWEST, at most a minute: the shortest, for a gap is no pace."""
    since = newest.at - timedelta(seconds=_LOOK_BACK * LONGEST_INTERVAL)
    times = [one.at for one in recording.samples(newest.metric, since, newest.at)][-_LOOK_BACK - 1 :]
    gaps = [(later - before).total_seconds() for before, later in pairwise(times)]
    return min([gap for gap in gaps if gap > 0], default=LONGEST_INTERVAL)


def _view(how: Shown, one: Measurement, moment: datetime, interval: float) -> MetricView:
    age = max((moment - one.at).total_seconds(), 0.0)
    # A look takes its own time, so that a source that is just in time is not stale.
    status = status_of(one.value, age, STALE_INTERVALS * max(interval, 1.0), how.op, how.limit)
    return MetricView(
        metric=one.metric,
        label=how.face.label,
        unit=one.unit,
        value=one.value,
        text=shorten(clean(text_of(one)), 60),
        source=how.source,
        observed_at=one.at.isoformat(timespec="milliseconds"),
        samples=one.volume,
        threshold=how.limit,
        scale_max=how.face.scale,
        status=status,
        error=shorten(clean(one.error), 120),
    )
