"""What a client may ask of the engine: typed structs, one JSON line each."""

from __future__ import annotations

import msgspec

PROTOCOL = 3


class _Request(msgspec.Struct, frozen=True, kw_only=True, tag_field="ask"):
    """A request. `id` comes back in the reply, so that several may be under way."""

    id: int = 0


class Hello(_Request, frozen=True, kw_only=True, tag="hello"):
    """Who is there: the first line of a client. `watch` asks for the snapshot and the updates. `origin` is where the
    session comes from, for an engine that may not look it up by itself."""

    protocol: int = PROTOCOL
    name: str = ""
    origin: str = ""
    kind: str = "command"  # cockpit, watcher or command
    watch: bool = False


class RunCheck(_Request, frozen=True, kw_only=True, tag="run"):
    """Run the check of an item. A change runs only when `go` is the digest of the plan that was shown."""

    item: str
    answer: str = ""
    go: str = ""


class ShowPlan(_Request, frozen=True, kw_only=True, tag="plan"):
    """What the check of an item would do; the reply's `data` is a `Plan`."""

    item: str


class CancelCheck(_Request, frozen=True, kw_only=True, tag="cancel"):
    """Stop a running check."""

    item: str


class MarkItem(_Request, frozen=True, kw_only=True, tag="mark"):
    """Say something of an item. `evidence` is the digest of the outcome that was on the screen; `witness` names
    somebody who stood beside, and is no second person."""

    item: str
    mark: str
    evidence: str = ""
    reason: str = ""
    value: str = ""
    until: str = ""
    witness: str = ""


class SignOff(_Request, frozen=True, kw_only=True, tag="sign"):
    """Sign an item for a role. `evidence` is the digest of what stood above the line; `name` is who signs when it is
    not the one who asks: the driver then attests it."""

    item: str
    role: str
    evidence: str = ""
    name: str = ""


class RaiseHold(_Request, frozen=True, kw_only=True, tag="hold"):
    """Stop the run, with a reason. Anybody may."""

    reason: str


class ReleaseHold(_Request, frozen=True, kw_only=True, tag="release"):
    """Let the run go on: the driver may release any hold, others their own. 0: the only one there is."""

    hold: int = 0
    reason: str = ""


class PassPhase(_Request, frozen=True, kw_only=True, tag="go"):
    """Pass the pause point of the current phase. Refused unless the verdict is GO. `values` are those of the critical
    items that asked for one, typed once more. Where the phase takes two, the driver's calls the second person, whose
    own passes it."""

    phase: str
    values: dict[str, str] = {}


class Agree(_Request, frozen=True, kw_only=True, tag="agree"):
    """Agree, as the second person, to what the driver called: to cross at an item, by the digest of the plan seen."""

    item: str
    plan: str


class DecideGate(_Request, frozen=True, kw_only=True, tag="decide"):
    """Answer a gate that has tripped or lost sight: `decision` is roll-back, continue or extend; `until`, of an
    extension, a duration ("30m") or a moment. None: one more of the gate's own spans."""

    gate: str
    decision: str
    reason: str
    until: str = ""


class TakeLease(_Request, frozen=True, kw_only=True, tag="drive"):
    """Become the driver, when nobody drives, or the one who does has gone or did not answer for too long."""


class AskLease(_Request, frozen=True, kw_only=True, tag="ask-lease"):
    """Ask the driver for control."""

    reason: str = ""


class GrantLease(_Request, frozen=True, kw_only=True, tag="grant-lease"):
    """Hand control to who asked for it (-1: the only one who did), or to another who is here, by uid."""

    uid: int = -1


class RefuseLease(_Request, frozen=True, kw_only=True, tag="refuse-lease"):
    """Keep control; -1: from the only one who asked."""

    uid: int = -1
    reason: str = ""


class ReleaseLease(_Request, frozen=True, kw_only=True, tag="release-lease"):
    """Drive no longer; nobody does until somebody takes it."""


class RaiseChallenge(_Request, frozen=True, kw_only=True, tag="challenge"):
    """Pin a question to an item, or to the run: it must be answered before its phase ends."""

    text: str
    item: str = ""


class AnswerChallenge(_Request, frozen=True, kw_only=True, tag="answer"):
    """Answer a challenge, or take one's own back; 0: the only one that is open."""

    text: str
    challenge: int = 0


class Correct(_Request, frozen=True, kw_only=True, tag="correct"):
    """Words about an earlier event, by its seq. The event stays as it is."""

    seq: int
    text: str


class Look(_Request, frozen=True, kw_only=True, tag="look"):
    """Where this person looks: an item. The others see it; the record does not."""

    item: str = ""


class CommitRecord(_Request, frozen=True, kw_only=True, tag="commit"):
    """Commit the record to git; the reply's `data` names the commit."""


class AddNote(_Request, frozen=True, kw_only=True, tag="note"):
    """Words for the record, about an item or the run."""

    text: str
    item: str = ""


class Play(_Request, frozen=True, kw_only=True, tag="play"):
    """Move a replay: `do` is one of `tminus.replay.deck.MOVES`. An engine refuses it."""

    do: str


class ReadCourse(_Request, frozen=True, kw_only=True, tag="course"):
    """What metrics were over the last `back` seconds (0: all there is), in at most `points` buckets each; the reply's
    `data` is a `Courses`. More metrics or points than an answer may have are cut off."""

    metrics: tuple[str, ...]
    back: float = 0.0
    points: int = 300


class StopEngine(_Request, frozen=True, kw_only=True, tag="stop"):
    """End the engine; with `close` the run is over too."""

    close: bool = False


Request = (
    Hello
    | RunCheck
    | ShowPlan
    | CancelCheck
    | MarkItem
    | RaiseHold
    | ReleaseHold
    | PassPhase
    | DecideGate
    | TakeLease
    | AskLease
    | GrantLease
    | RefuseLease
    | ReleaseLease
    | RaiseChallenge
    | AnswerChallenge
    | Correct
    | Look
    | CommitRecord
    | SignOff
    | Agree
    | AddNote
    | Play
    | ReadCourse
    | StopEngine
)


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a change will do, line by line. Its `digest` is the go that starts it."""

    lines: tuple[str, ...]
    danger: str  # safe, reversible or one-way
    target: str = ""
    digest: str = ""
