"""Everything a pane needs to draw itself, in one frozen piece: the screen is a function of the scene."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from tminus.client.messages import GateView, ItemFace, ItemView, PhaseFace, View
from tui.glyphs import UNICODE, Glyphs
from tui.kept import kept

EPOCH = datetime.fromtimestamp(0, UTC)
ARM_SECONDS = 1.0
"""How long the evidence of a critical item must have been on the screen before it can be confirmed."""

TABS = ("items", "detail", "metrics")


@dataclass(frozen=True)
class Scene:
    """What is on the screen at one moment: the run as the engine tells it, and where the person is in it."""

    view: View = field(default_factory=View)
    now: datetime = EPOCH
    me: str = ""
    uid: int = -1
    read_only: bool = False
    connected: bool = False
    lost_at: datetime | None = None
    lost_why: str = ""
    lost_what: str = ""  # in three words, when it is anything but gone
    focus: str = ""  # the item under the cursor
    phase_focus: str = ""  # the phase that the cursor is on or in
    detail_visible: bool = False
    shown_for: float = 0.0  # seconds that this evidence of this item has been on the screen
    tab: str = "items"
    below: int = 0  # lines of the detail that are under its lower edge
    glyphs: Glyphs = UNICODE
    cadence: tuple[tuple[str, float], ...] = ()  # metric → seconds between its samples, as seen so far
    keys: tuple[tuple[str, str], ...] = ()  # action → its key as a person reads it

    @property
    def faces(self) -> dict[str, ItemFace]:
        """Every item's face by id."""
        return _faces(self.view.phases)

    @property
    def settled(self) -> dict[str, int]:
        """How many items of each phase are settled, by the phase's id."""
        return _settled(self.view.phases, self.view.items)

    @property
    def face(self) -> ItemFace | None:
        """The focused item's face; None when there is none."""
        return self.faces.get(self.focus)

    @property
    def item(self) -> ItemView:
        """The focused item's state."""
        return self.state(self.focus)

    def state(self, item: str) -> ItemView:
        """Where ITEM stands; untouched when the engine said nothing of it."""
        return self.view.items.get(item) or ItemView(id=item)

    @property
    def phase(self) -> PhaseFace | None:
        """The phase the verdict is about."""
        return self.phase_named(self.view.standing.phase)

    def phase_named(self, name: str) -> PhaseFace | None:
        """The phase with the id NAME."""
        return next((phase for phase in self.view.phases if phase.id == name), None)

    def key(self, action: str) -> str:
        """The key of ACTION as a person reads it."""
        return dict(self.keys).get(action, action)

    @property
    def drives(self) -> bool:
        """Whether this person holds the driver's lease: by the uid that the kernel vouches for, not by a name."""
        run = self.view.run
        return bool(run.driver) and run.driver_uid == self.uid

    @property
    def undecided(self) -> tuple[GateView, ...]:
        """Gates that wait for a person's decision, those that tripped before those that see nothing."""
        asking = [gate for gate in self.view.gates.values() if gate.asks]
        return tuple(sorted(asking, key=lambda gate: gate.state != "tripped"))


@kept
def _faces(phases: tuple[PhaseFace, ...]) -> dict[str, ItemFace]:
    return {face.id: face for phase in phases for face in phase.items}


@kept
def _settled(phases: tuple[PhaseFace, ...], items: Mapping[str, ItemView]) -> dict[str, int]:
    done = {name for name, item in items.items() if item.settled}
    return {phase.id: sum(face.id in done for face in phase.items) for phase in phases}
