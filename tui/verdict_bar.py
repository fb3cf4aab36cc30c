"""The bar that is always on top: the verdict and why, the T-clock, the drift, and who is here."""

from __future__ import annotations

from collections.abc import Sequence

from state.durations import format_duration
from tminus.client.people import Presence
from tui.clock import clock, local_time, t_clock
from tui.crew import gone_for, people, waiting_call
from tui.glyphs import GO_SIGNS
from tui.lines import Line, Span, fit, joined, plain, spread
from tui.link import GONE
from tui.pane import Pane
from tui.scene import Scene
from tui.schedule import projection


class VerdictBar(Pane):
    """GO, HOLD, NO-GO or ROLL BACK, with its blockers. Three lines; a fourth when the tool itself is in trouble."""

    GROWS = True
    DEFAULT_CSS = """
    VerdictBar { height: 3; padding: 0 1; background: $panel; }
    """

    def draw(self, scene: Scene, width: int) -> Sequence[Line]:
        """See `verdict_lines`."""
        return verdict_lines(scene, width)


def verdict_lines(scene: Scene, width: int) -> list[Line]:
    """The bar's lines for SCENE at WIDTH."""
    dots = scene.glyphs.ellipsis
    lines = [
        spread(joined([_verdict(scene), _phase(scene, width)], ("  ", "")), _clock(scene, width), width, dots),
        spread(_blockers(scene), _drift(scene, width), width, dots),
        spread(_people(scene), _title(scene), width, dots),
    ]
    if trouble := scene.view.run.trouble:
        lines.append(fit(((" TROUBLE ", "block-bad"), (" " + plain(trouble), "bad strong")), width))
    return lines


def verdict_word(scene: Scene) -> str:
    """The verdict; `?` when the engine has gone or said nothing, since an old GO is no GO."""
    return scene.view.standing.go if scene.connected and scene.view.phases else "?"


def _verdict(scene: Scene) -> Line:
    word = verdict_word(scene)
    if word not in GO_SIGNS:
        what = scene.lost_what.lower() if scene.lost_what not in ("", GONE) else "no engine"
        return ((" ? UNKNOWN ", "block-warn"), (f" {what}", "warn strong"))
    sign = GO_SIGNS[word]
    count = len(scene.view.standing.blockers)
    told = f" {count} blocker{'s' * (count != 1)}" if count else " nothing stands against it"
    return ((f" {scene.glyphs.mark(sign)} {word} ", sign.style), (told, "head" if count else "good"))


def _phase(scene: Scene, width: int) -> Line:
    phase = scene.phase
    if phase is None:
        return ()
    done = sum(scene.state(face.id).settled for face in phase.items)
    label = "phase " if width >= 100 else ""
    return ((label, "dim"), (plain(phase.title), "head"), (f" {done}/{len(phase.items)}", "dim"))


def _clock(scene: Scene, width: int) -> Line:
    text = t_clock(scene.view.run.t0, scene.now)
    wall = scene.now.astimezone().strftime("%H:%M:%S")
    parts: list[Sequence[Span]] = [((text, "head"),)]
    if width >= 100:
        parts.insert(0, ((wall, "dim"),))
    return joined(parts, ("  ", ""))


def _blockers(scene: Scene) -> Line:
    blockers = scene.view.standing.blockers
    if not scene.connected:
        return (("the last state is shown, and it may be old", "warn"),)
    if not blockers:
        if scene.view.standing.go != "GO":
            return ()
        call = waiting_call(scene)
        said = f"{plain(call.actor)} said GO, a second person says theirs" if call and call.kind == "phase" else "go"
        return ((f"all of this phase is settled: {said}", "dim"),)
    shown = [((plain(blocker.id), "strong"), (f" {plain(blocker.why)}", "")) for blocker in blockers[:4]]
    return joined(shown, (f" {scene.glyphs.dot} ", "dim"))


def _drift(scene: Scene, width: int) -> Line:
    seen = projection(scene.view, scene.now)
    parts: list[Sequence[Span]] = []
    if seen.drift is not None:
        late = seen.drift >= 1
        # Late is amber and counts up; it never fails anything by itself.
        word = f"late {clock(seen.drift)}" if late else f"slack {clock(seen.drift)}"
        parts.append(((word, "warn strong" if late else "dim"),))
    if seen.finish is not None and width >= 100:
        away = (seen.finish - scene.now).total_seconds()
        far = f"{seen.finish.astimezone():%a %H:%M}" if away > 86400 else f"{seen.finish.astimezone():%H:%M:%S}"
        parts.append(
            (("finish ", "dim"), (f"{far} (in {format_duration(away // 60 * 60)})" if away >= 60 else far, ""))
        )
    return joined(parts, ("  ", ""))


def _people(scene: Scene) -> Line:
    run = scene.view.run
    if run.driver:
        gone = f", gone {gone_for(scene)}" if scene.view.crew.gone_since else ""
        you = " (you)" if scene.drives else ""
        driver: Sequence[Span] = (
            ("drives ", "dim"), (plain(run.driver), "good strong"), (you, "dim"), (gone, "warn strong"),
        )  # fmt: skip
    else:
        driver = (("nobody drives", "warn strong"),)
    asking = {ask.uid for ask in scene.view.crew.asking}
    parts = [_other(one, scene, asks=one.uid in asking) for one in people(scene) if not _drives(one, scene)]
    watch: Sequence[Span] = (("with ", "dim"), *joined(parts, (", ", ""))) if parts else (("nobody watches", "dim"),)
    only: Sequence[Span] = ((" READ-ONLY ", "block-info"),) if scene.read_only else ()
    holds: Sequence[Span] = ()
    if run.closed:
        holds = ((" CLOSED ", "block-info"),)
    elif scene.view.holds:
        hold = scene.view.holds[0]
        since = local_time(hold.utc)
        holds = ((f"hold by {plain(hold.actor)} {since}: ", "warn strong"), (plain(hold.reason), "warn"))
    rehearsal: Sequence[Span] = ((" REHEARSAL ", "block-info"),) if run.rehearsal else ()
    return joined([rehearsal, only, driver, watch, holds], ("  ", ""))


def _drives(one: Presence, scene: Scene) -> bool:
    run = scene.view.run
    return bool(run.driver) and one.uid == run.driver_uid


def _other(one: Presence, scene: Scene, *, asks: bool) -> Sequence[Span]:
    you = " (you)" if one.uid == scene.uid else ""
    return ((plain(one.name) + you, ""), (" (asks for control)", "warn strong") if asks else ("", ""))


def _title(scene: Scene) -> Line:
    return ((plain(scene.view.run.title), "dim"),)
