"""The command palette: every action by name, with its key, and the reason where it cannot be done now."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from textual.command import DiscoveryHit, Hit, Hits, Provider

from tui.actions import Action, why_not
from tui.replay import offered

if TYPE_CHECKING:
    from tui.app import Cockpit


class Commands(Provider):
    """The action table, searched by label and description."""

    @property
    def _cockpit(self) -> Cockpit:
        from tui.app import Cockpit

        assert isinstance(self.app, Cockpit)
        return self.app

    def _told(self, action: Action) -> tuple[str, str]:
        why = why_not(action, self._cockpit.scene)
        return f"{action.label}  ({action.shown_key})", f"not now: {why}" if why else action.description

    async def discover(self) -> Hits:
        """All of them, before anything is typed."""
        for action in offered(self._cockpit.actions, self._cockpit.scene):
            if action.id != "palette":
                label, told = self._told(action)
                yield DiscoveryHit(label, partial(self._cockpit.press, action.id), help=told)

    async def search(self, query: str) -> Hits:
        """Those that match."""
        matcher = self.matcher(query)
        for action in offered(self._cockpit.actions, self._cockpit.scene):
            label, told = self._told(action)
            score = matcher.match(f"{label} {action.description}")
            if score > 0 and action.id != "palette":
                yield Hit(score, matcher.highlight(label), partial(self._cockpit.press, action.id), help=told)
