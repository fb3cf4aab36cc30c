"""Who is here: whose screen is open, where they look, and when each person was last heard of."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import msgspec

from state.events import utc_text
from tminus.client.people import Presence


class Attendance:
    """Presence by connection, and the last word of each uid. CHANGED is told the people whenever they change.

    What is not recorded: whoever has no screen open may still act by commands, so acting counts as being heard of.
    """

    def __init__(
        self, changed: Callable[[tuple[Presence, ...]], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._changed = changed
        self._clock = clock
        self._here: dict[int, Presence] = {}
        self._heard: dict[int, float] = {}
        self._began = clock()  # nobody has been gone for longer than we look

    def arrives(self, number: int, person: Presence) -> None:
        """PERSON opened a screen, on connection NUMBER."""
        self._here[number] = person
        self.heard(person.uid)
        self._tell()

    def leaves(self, number: int) -> None:
        """The screen on connection NUMBER is closed."""
        person = self._here.pop(number, None)
        if person is not None:
            self.heard(person.uid)
            self._tell()

    def looks(self, number: int, item: str) -> None:
        """Whoever is on connection NUMBER looks at ITEM now."""
        person = self._here.get(number)
        if person is not None and person.item != item:
            self._here[number] = msgspec.structs.replace(person, item=item)
            self._tell()

    def heard(self, uid: int) -> None:
        """UID did something."""
        self._heard[uid] = self._clock()

    def gone_for(self, uid: int) -> float | None:
        """Seconds since UID was last heard of, if no screen of theirs is open; None: they are here."""
        if any(person.uid == uid for person in self._here.values()):
            return None
        return self._clock() - max(self._heard.get(uid, self._began), self._began)

    def gone_since(self, uid: int, now: datetime | None = None) -> str:
        """The moment (UTC) at which UID was last heard of, if they are not here; empty: they are."""
        gone = self.gone_for(uid)
        if gone is None:
            return ""
        # To the second: the same text for as long as they are gone, whatever the two clocks disagree about.
        since = (now or datetime.now(UTC)) - timedelta(seconds=gone)
        return utc_text((since + timedelta(seconds=0.5)).replace(microsecond=0))

    def _tell(self) -> None:
        self._changed(tuple(self._here.values()))
