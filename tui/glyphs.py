"""Every state as a glyph, a word and a style: legible without colour, one cell wide, with an ASCII twin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tminus.client.messages import ItemFace, ItemView


@dataclass(frozen=True)
class Sign:
    """How one state looks: `glyph` (one cell), `ascii` (its twin), `word` (at most 5 cells), `style`, meaning."""

    glyph: str
    ascii: str
    word: str
    style: str
    meaning: str


SIGNS: Mapping[str, Sign] = {
    "open": Sign("·", ".", "OPEN", "dim", "nobody looked yet"),
    "running": Sign("▶", ">", "RUN", "info strong", "its check is looking now"),
    "pass": Sign("✓", "+", "PASS", "info strong", "the check holds; a person still has to confirm"),
    "done": Sign("●", "*", "DONE", "good", "settled: nothing more is needed"),
    "warn": Sign("!", "!", "WARN", "warn strong", "the check holds with a warning"),
    "fail": Sign("✗", "x", "FAIL", "bad strong", "it was seen, and it does not hold"),
    "error": Sign("▲", "E", "ERROR", "bad strong", "the check could not look"),
    "unknown": Sign("?", "?", "UNKN", "warn strong", "the check looked, and there was nothing to see"),
    "stale": Sign("~", "~", "STALE", "warn", "seen too long ago: run it again"),
    "interrupted": Sign("‖", "#", "INTR", "warn strong", "it was running when the engine stopped"),
    "failed": Sign("✗", "x", "FAIL", "bad strong", "a person says that it does not hold"),
    "skipped": Sign("»", "/", "SKIP", "override", "left out, with a reason"),
    "waived": Sign("◇", "w", "WAIV", "override", "accepted as it is, with a reason"),
    "n/a": Sign("-", "-", "N/A", "dim", "not applicable, with a reason"),
}

METRIC_SIGNS: Mapping[str, Sign] = {
    "ok": Sign("●", "*", "OK", "good", "within its limits"),
    "warn": Sign("!", "!", "WARN", "warn strong", "near its limit"),
    "bad": Sign("✗", "x", "BAD", "bad strong", "over its limit"),
    "unknown": Sign("?", "?", "UNKN", "warn strong", "no data"),
    "stale": Sign("~", "~", "STALE", "warn", "seen too long ago"),
}

GATE_SIGNS: Mapping[str, Sign] = {
    "unarmed": Sign("-", "-", "UNARMED", "dim", "does not count yet"),
    "clear": Sign("●", "*", "CLEAR", "good", "armed, and far from a trip"),
    "breaching": Sign("!", "!", "BREACH", "warn strong", "breaching, and counting toward a trip"),
    "unknown": Sign("?", "?", "UNKNOWN", "warn strong", "no data: never all clear"),
    "recovering": Sign("~", "~", "RECOVER", "warn", "under its threshold, not yet for long enough"),
    "tripped": Sign("✗", "x", "TRIPPED", "bad strong", "latched until a person decides"),
}

GO_SIGNS: Mapping[str, Sign] = {
    "GO": Sign("✓", "+", "GO", "block-good", "nothing stands against it"),
    "HOLD": Sign("‖", "#", "HOLD", "block-warn", "somebody or a gate stopped the run"),
    "NO-GO": Sign("✗", "x", "NO-GO", "block-warn", "something still has to be settled"),
    "ROLL BACK": Sign("▲", "!", "ROLL BACK", "block-bad", "a rollback gate tripped, or it was decided"),
}


PEOPLE_SIGNS: Mapping[str, Sign] = {
    "challenge": Sign("¿", "Q", "CHALL", "warn strong", "somebody challenged it: answer before the phase ends"),
    "looks": Sign("@", "@", "AB", "info", "the initials of who else has the cursor there"),
}

SIGN_TABLES: Mapping[str, Mapping[str, Sign]] = {
    "Items": SIGNS,
    "People": PEOPLE_SIGNS,
    "Metrics": METRIC_SIGNS,
    "Gates": GATE_SIGNS,
    "Verdict": GO_SIGNS,
}
"""Every sign there is, by what it is a sign of."""


@dataclass(frozen=True)
class Glyphs:
    """The characters the screen draws with."""

    ascii: bool
    cursor: str
    shut: str
    unfolded: str
    full: str
    empty: str
    line: str
    heavy: str
    bar: str
    ellipsis: str
    threshold: str
    dot: str
    arrow: str
    levels: str  # of a sparkline's cell, from nothing to full
    gap: str

    def mark(self, sign: Sign) -> str:
        """The glyph of SIGN in this set."""
        return sign.ascii if self.ascii else sign.glyph


UNICODE = Glyphs(
    ascii=False, cursor="›", shut="▸", unfolded="▾", full="█", empty="░", line="─", heavy="━", bar="│", ellipsis="…",
    threshold="╌", dot="·", arrow="→", levels=" ▁▂▃▄▅▆▇█", gap=" ",
)  # fmt: skip
ASCII = Glyphs(
    ascii=True, cursor=">", shut="+", unfolded="-", full="#", empty=".", line="-", heavy="=", bar="|", ellipsis="~",
    threshold="-", dot="|", arrow=">", levels=" .:|#", gap=" ",
)  # fmt: skip


def state_of(face: ItemFace, item: ItemView) -> str:
    """The one state of an item that its row shows: a key of `SIGNS`.

    What runs or broke off comes first, then what a person said, then what the check saw. A waiver that is over
    (the engine says it is not settled) shows the verdict again. A verdict this version does not know is
    unknown.
    """
    if item.status in ("running", "interrupted"):
        return item.status
    if item.mark == "failed":
        return "failed"
    if face.out_of_scope:
        return "n/a"
    if item.settled:
        return item.mark if item.mark in ("skipped", "waived", "n/a") else "done"
    if not item.verdict:
        return "open"
    return item.verdict if item.verdict in SIGNS else "unknown"
