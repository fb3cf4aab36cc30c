"""Watching: the metric sources of a run, what is shown of them, and the gates that they feed."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from metrics.config import ConfigError, build_sources
from metrics.gate_model import Op
from metrics.history import History
from metrics.live import Live
from metrics.sampler import Sampler
from metrics.samples import Measurement, utc_now
from metrics.sources import Source
from state.clean import clean, shorten
from state.definition import Checklist
from state.events import Actor, Event, utc_text
from state.targets import MissingTarget, Targets
from tminus.client.messages import MetricView
from tminus.engine import acts, recalling
from tminus.engine.gate_keep import kept
from tminus.engine.gatekeeping import Gatekeeper
from tminus.engine.session import Session
from tminus.engine.summaries import Tally, summary, tallied

NO_LIMIT: tuple[Op, float | None] = (">", None)
GATES = "gates"  # what the history remembers them under


class Watch:
    """Samples the sources of the checklist while the block lasts, shows them, and feeds the gates.

    A source whose setting is missing is shown as unknown with the name of the setting; the others go on.
    """

    def __init__(self, session: Session, actor: Actor, targets: Targets, project: Path, history: History) -> None:
        self._session = session
        self._actor = actor
        self._history = history
        self._gated = {gate.metric for gate in session.checklist.gate}
        self._sources, self._missing = _sources(session.checklist, targets, project)
        absent = {view.source: view.error for view in self._missing.values()}
        self._sampler = Sampler(self._sources, self._measured, absent=absent)
        units = {name: face.unit for name, face in self.live.metrics.items()}
        self._keeper = Gatekeeper(session, actor, kept(history.recall(GATES)), units)
        self._stack = AsyncExitStack()
        self._tasks: list[asyncio.Task[None]] = []
        self._tallies: dict[str, Tally] = {}
        self._since = utc_text(utc_now())
        session.after_event(self._heard)

    @property
    def live(self) -> Live:
        """What the sources have said, for the checks."""
        return self._sampler.live

    async def __aenter__(self) -> Self:
        self._session.show_metrics(self._missing)
        before = utc_now()
        await self._stack.enter_async_context(self._sampler)
        self._tasks = [asyncio.create_task(self._keeper.write()), asyncio.create_task(self._tick())]
        self._keeper.arm_what_is_due()
        recalling.start(self._history.path, self.live, before)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._history.remember(GATES, self._keeper.keep())
        for task in self._tasks:
            task.cancel()
        await self._stack.aclose()

    def _measured(self, measured: tuple[Measurement, ...]) -> None:
        self._history.add(measured)
        self._session.show_metrics({one.metric: self._view(one) for one in measured if self._shown(one.metric)})
        self._tallies = tallied(self._tallies, (one for one in measured if self._shown(one.metric)))
        self._keeper.feed(measured)

    def _shown(self, metric: str) -> bool:
        face = self.live.metrics.get(metric)
        return metric in self._gated or (face is not None and face.headline)

    def _heard(self, event: Event) -> None:
        """A pause point was passed: what the metrics were until then goes into the record."""
        if event.kind != "phase.go" or not self._tallies:
            return
        data = summary(event.item, self._since, self._tallies)
        self._tallies, self._since = {}, event.utc
        self._keeper.write_soon(acts.event("summary", self._actor, item=event.item, data=data))

    async def _tick(self) -> None:
        """Let time pass for the gates even when no source says anything: sight is lost by silence."""
        while True:
            await asyncio.sleep(1.0)
            self._keeper.feed(())
            self._history.remember(GATES, self._keeper.keep_running())
            self._session.trouble(self._history.trouble, of="history")

    def _view(self, one: Measurement) -> MetricView:
        op, limit = self._keeper.limits.get(one.metric, NO_LIMIT)
        shown = self.live.view(one.metric, op=op, threshold=limit)
        return MetricView(
            metric=one.metric,
            label=shown.label,
            unit=shown.unit,
            value=shown.value,
            text=shorten(clean(shown.text), 60),
            source=shown.source,
            observed_at=one.at.isoformat(timespec="milliseconds"),
            samples=shown.samples,
            threshold=shown.threshold,
            scale_max=shown.scale_max,
            status=shown.status,
            error=shorten(clean(one.error), 120),
        )


def _sources(
    checklist: Checklist, targets: Targets, project: Path
) -> tuple[tuple[Source, ...], dict[str, MetricView]]:
    """The sources that can be built, and what to show in the place of those that cannot."""
    sources: list[Source] = []
    missing: dict[str, MetricView] = {}
    for name, table in checklist.metrics.items():
        try:
            filled: dict[str, Any] = targets.fill(table)
            sources += build_sources({name: filled}, project)
        except MissingTarget as error:
            missing[f"{name}.missing"] = _unseen(name, f"{error.variable} is not set")
        except ConfigError as error:
            missing[f"{name}.missing"] = _unseen(name, str(error))
    return tuple(sources), missing


def _unseen(name: str, why: str) -> MetricView:
    return MetricView(metric=f"{name}.missing", label=name, source=name, error=why, status="unknown", text="?")
