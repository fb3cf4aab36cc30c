"""Who is here, and what goes on between them: what concerns this person now, and what has just become of it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from state.durations import format_duration
from tminus.client.people import AskView, CallView, ChallengeView, Presence
from tui.clock import local_time, moment, short_clock
from tui.kept import kept
from tui.lines import plain
from tui.scene import Scene


def people(scene: Scene) -> tuple[Presence, ...]:
    """Everybody who has a screen open, this person among them: of a uid and a name once, where they look last."""
    return tuple({(one.uid, one.name): one for one in scene.view.run.people if one.kind != "command"}.values())


def others(scene: Scene) -> tuple[Presence, ...]:
    """Who else is here, one of each uid."""
    return tuple({one.uid: one for one in people(scene) if one.uid != scene.uid}.values())


def looking_at(scene: Scene, item: str) -> tuple[Presence, ...]:
    """Who else looks at ITEM."""
    return _looks(scene.view.run.people, scene.uid).get(item, ())


@kept
def _looks(here: tuple[Presence, ...], me: int) -> Mapping[str, tuple[Presence, ...]]:
    found: dict[str, dict[int, Presence]] = {}
    for one in here:
        if one.item and one.uid != me:
            found.setdefault(one.item, {})[one.uid] = one
    return {item: tuple(some.values()) for item, some in found.items()}


def challenges_of(scene: Scene, item: str) -> tuple[ChallengeView, ...]:
    """The open challenges of ITEM; of the run where it is empty."""
    return _challenges(scene.view.crew.challenges).get(item, ())


@kept
def _challenges(challenges: tuple[ChallengeView, ...]) -> Mapping[str, tuple[ChallengeView, ...]]:
    found: dict[str, tuple[ChallengeView, ...]] = {}
    for one in challenges:
        found[one.item] = (*found.get(one.item, ()), one)
    return found


def answerable(scene: Scene) -> tuple[ChallengeView, ...]:
    """The challenges that this person may answer, or take back: those of the item under the cursor first."""
    every = scene.drives and not scene.read_only
    mine = [one for one in scene.view.crew.challenges if every or one.uid == scene.uid]
    return tuple(sorted(mine, key=lambda one: one.item != scene.focus))


def my_ask(scene: Scene) -> AskView | None:
    """What this person asked the driver for."""
    return next((one for one in scene.view.crew.asking if one.uid == scene.uid), None)


def take_over_at(scene: Scene) -> datetime | None:
    """From when on this person may take over from the driver: who is gone, or was asked and says nothing.

    To the second, and never before the engine says so. None: neither is the case.
    """
    crew, ask = scene.view.crew, my_ask(scene)
    since = [at for at in (moment(crew.gone_since), moment(ask.utc) if ask else None) if at is not None]
    if not since:
        return None
    # What the engine tells of who is gone is rounded to the second, up or down.
    return min(since).replace(microsecond=0) + timedelta(seconds=crew.patience + 1)


def may_take(scene: Scene) -> bool:
    """Whether the lease may be taken now: nobody drives, or the driver may be relieved."""
    at = take_over_at(scene)
    return not scene.view.run.driver or (at is not None and scene.now >= at)


def observes(scene: Scene) -> bool:
    """Whether this person only observes: another drives, or the screen is one that only watches."""
    return scene.read_only or (bool(scene.view.run.driver) and not scene.drives)


def second_go(scene: Scene) -> bool:
    """Whether the driver's GO of the current phase is said, and this person may say the second."""
    call = waiting_call(scene)
    return call is not None and call.kind == "phase" and call.uid != scene.uid


def waiting_call(scene: Scene) -> CallView | None:
    """What waits for a second person now."""
    call = scene.view.crew.call
    if call is None or (call.kind == "phase" and call.id != scene.view.standing.phase):
        return None
    return call


@dataclass(frozen=True)
class Notice:
    """A line that stays on the screen while it is so. `key` tells one from another: a new one is news. It `rings`
    where this person is asked for something."""

    key: str
    head: str
    text: str
    rings: bool = False
    style: str = "block-warn"


def notices(scene: Scene) -> list[Notice]:
    """What goes on between the people and concerns this one, the gravest first. Nothing of it in a replay."""
    if scene.view.replay is not None or not scene.connected or scene.view.run.closed:
        return []
    return [*_call(scene), *_asks(scene), *_gone(scene), *_challenged(scene)]


def _call(scene: Scene) -> Iterator[Notice]:
    call = waiting_call(scene)
    if call is None:
        return
    key, who = f"call {call.kind} {call.id} {call.utc}", plain(call.actor).upper()
    mine, at = call.uid == scene.uid, local_time(call.utc)
    if call.kind == "phase":
        if mine:
            yield Notice(key, f"GO SAID {at}", f"a second person says theirs: {scene.key('go')} on their screen")
        else:
            told = f"a second person says theirs: press {scene.key('go')}"
            yield Notice(key, f"GO SAID BY {who} {at}", told, rings=True)
        return
    face = scene.faces.get(call.id)
    text = plain(face.text if face else call.id)
    if call.agreed_by:
        head = f"{plain(call.agreed_by).upper()} AGREED"
        told = f"{scene.key('run')} runs it" if mine else f"{plain(call.actor)} may run it"
        yield Notice(f"{key} agreed", head, f"{told}: {text}", rings=mine, style="block-good")
    elif mine:
        yield Notice(key, f"CALLED {at}", f"waits for a second person to agree ({_who_may(scene)}): {text}")
    else:
        head = f"{who} CALLS YOU TO THE POINT OF NO RETURN"
        yield Notice(key, head, f"{scene.key('agree')} shows the plan, and agrees: {text}", rings=True)


def _who_may(scene: Scene) -> str:
    return ", ".join(plain(one.name) for one in others(scene)) or "nobody else is here (tminus watch)"


def _asks(scene: Scene) -> Iterator[Notice]:
    crew = scene.view.crew
    if scene.drives and not scene.read_only:
        for ask in crew.asking:
            keys = f"{scene.key('hand-over')} hands it over, {scene.key('keep')} keeps it"
            head, why = (
                f"{plain(ask.actor).upper()} ASKS FOR CONTROL",
                f': "{plain(ask.reason)}"' if ask.reason else "",
            )
            yield Notice(f"ask {ask.uid} {ask.utc}", head, keys + why, rings=True)
    elif (own := my_ask(scene)) is not None:
        head = f"YOU ASKED {plain(scene.view.run.driver).upper()} FOR CONTROL {local_time(own.utc)}"
        yield Notice(f"asked {own.utc}", head, take_over(scene))


def take_over(scene: Scene) -> str:
    """When, and by which key, this person may take over from the driver."""
    at, key = take_over_at(scene), scene.key("drive")
    if at is None:
        return ""
    if scene.now >= at:
        return f"you may take over now: {key}"
    left = format_duration(int((at - scene.now).total_seconds()))
    return f"from {at.astimezone():%H:%M:%S} on (in {left}) you may take over: {key}"


def _gone(scene: Scene) -> Iterator[Notice]:
    gone = scene.view.crew.gone_since
    if gone and not scene.drives and my_ask(scene) is None:
        head = f"{plain(scene.view.run.driver).upper()} IS GONE since {local_time(gone)}"
        yield Notice(f"gone {gone}", head, take_over(scene))


def gone_for(scene: Scene) -> str:
    """For how long the driver has been gone, as a clock; empty while they are here."""
    since = moment(scene.view.crew.gone_since)
    return short_clock((scene.now - since).total_seconds()) if since is not None else ""


def _challenged(scene: Scene) -> Iterator[Notice]:
    raised = scene.view.crew.challenges
    if not raised or not scene.drives or scene.read_only:
        return
    newest = raised[-1]
    more = f" (+{len(raised) - 1} more)" if len(raised) > 1 else ""
    face = scene.faces.get(newest.item)
    about = plain(face.text if face else newest.item or "the run")
    head = f"CHALLENGE BY {plain(newest.actor).upper()}{more}"
    told = f'{scene.key("answer")} answers: "{plain(newest.text)}" ({about})'
    yield Notice(f"challenge {newest.id}", head, told, rings=newest.uid != scene.uid)


def told(before: Scene, after: Scene) -> list[tuple[str, bool]]:
    """What has become of the lease and of this person's challenges between two scenes of a run, each with whether it
    rings: what no notice stays for."""
    if not before.connected or not after.connected or after.view.replay is not None or before.uid != after.uid:
        return []
    return [*_handed(before, after), *_refused(before, after), *_voided(before, after), *_settled(before, after)]


def _handed(before: Scene, after: Scene) -> Iterator[tuple[str, bool]]:
    old, new = before.view.run, after.view.run
    if not old.driver or (old.driver_uid, old.driver) == (new.driver_uid, new.driver):
        return
    if new.driver_uid == after.uid and old.driver_uid != after.uid:
        on = f". This screen only watches: {after.key('drive')} drives from here" if after.read_only else ""
        yield f"You have control, after {plain(old.driver)}{on}", True
    elif old.driver_uid == after.uid and new.driver:
        yield f"{plain(new.driver)} has control", True
    elif not new.driver and old.driver_uid != after.uid:
        yield f"{plain(old.driver)} drives no longer: nobody does", True


def _refused(before: Scene, after: Scene) -> Iterator[tuple[str, bool]]:
    no = after.view.crew.refused
    if no is not None and no != before.view.crew.refused and no.uid == after.uid:
        yield f"{plain(no.actor)} keeps control" + (f": {plain(no.reason)}" if no.reason else ""), True


def _voided(before: Scene, after: Scene) -> Iterator[tuple[str, bool]]:
    """A call of one's own that is over, though nothing came of it: what was called is no longer what was seen."""
    call = before.view.crew.call
    if call is None or call.uid != after.uid or after.view.crew.call is not None:
        return
    crossed = after.state(call.id).attempts > before.state(call.id).attempts
    if call.id not in after.view.gone and not crossed:
        yield "Your call is void: something changed since. Look again, and call again", True


def _settled(before: Scene, after: Scene) -> Iterator[tuple[str, bool]]:
    still = {one.id for one in after.view.crew.challenges}
    for one in before.view.crew.challenges:
        if one.id not in still and one.uid == after.uid and not after.drives:
            yield f"Your challenge was answered: {plain(one.text)}", False


def wanted(scene: Scene) -> frozenset[str]:
    """The actions that somebody waits for: their keys stay on the screen where room is short."""
    found = set()
    call = waiting_call(scene)
    if call is not None and call.uid != scene.uid and not call.agreed_by:
        found.add("go" if call.kind == "phase" else "agree")
    if scene.drives and not scene.read_only:
        found |= {"hand-over", "keep"} if scene.view.crew.asking else set()
        found |= {"answer"} if scene.view.crew.challenges else set()
    elif scene.view.run.driver and may_take(scene):
        found.add("drive")
    return frozenset(found)
