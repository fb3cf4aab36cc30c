"""Signing off: what stands above the line, who signs for which role, and who is still missing. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from state.durations import format_duration
from tminus.client.messages import ItemFace, ItemView, RoleView
from tui.clock import local_time
from tui.evidence import stacked
from tui.lines import Line, plain, wrapped
from tui.scene import Scene


def role_of(name: str, scene: Scene) -> RoleView:
    """The role with the id NAME; one that the contact list does not hold is told by its id."""
    return next((one for one in scene.view.roles if one.id == name), RoleView(id=name, title=name))


def open_roles(face: ItemFace, item: ItemView) -> list[str]:
    """The ids of the roles that have not signed."""
    signed = {said.role for said in item.said} if item.mark in ("open", "confirmed") else set()
    return [role for role in face.signed_by if role not in signed]


def is_mine(role: RoleView, scene: Scene) -> bool:
    """Whether the contact list names this person for ROLE."""
    return bool(role.name) and role.name.strip().casefold() == scene.me.casefold()


def roles_for(scene: Scene) -> list[RoleView]:
    """The roles that this person may sign the focused item for, their own first: that one, one that nobody is named
    for, and, as the driver, another's whose signature they attest."""
    if scene.face is None:
        return []
    roles = [role_of(name, scene) for name in open_roles(scene.face, scene.item)]
    attests = scene.drives and not scene.read_only
    may = [role for role in roles if attests or not role.name.strip() or is_mine(role, scene)]
    return sorted(may, key=lambda role: not is_mine(role, scene))


def told_roles(face: ItemFace, scene: Scene) -> str:
    """The roles that still sign, each with its person."""
    roles = [role_of(name, scene) for name in open_roles(face, scene.item)]
    return ", ".join(f"{plain(role.title)} ({plain(role.name) or 'nobody named'})" for role in roles)


def above_lines(scene: Scene, width: int) -> list[Line]:
    """What stands above the line of the focused item: all of the run that was not simply done, by name."""
    blocks = []
    for kind, ids in scene.item.evidence.items():
        names = [one for one in str(ids).split(", ") if one]
        lines: list[Line] = [((f"{len(names)} {plain(kind)}", _STYLES.get(kind, "warn strong")),)]
        for name in names:
            lines += wrapped(_told(kind, name, scene), width - 1, indent=1)
        blocks.append(lines)
    if not blocks:
        blocks = [wrapped(scene.item.actual or "nothing was waived, skipped, unknown or late", width, "good")]
    return stacked([[(("ABOVE THE LINE", "dim"),)], *blocks])


def _told(kind: str, name: str, scene: Scene) -> str:
    face = scene.faces.get(name)
    if face is None:
        return name
    told = _TELLS[kind](face, scene.state(name)) if kind in _TELLS else ""
    return f"{face.text} ({name})" + (f": {told}" if told else "")


def _why(_: ItemFace, item: ItemView) -> str:
    who = " and ".join(dict.fromkeys(said.actor for said in item.said))
    return f"{item.reason} ({who})" if who else item.reason


def _seen(_: ItemFace, item: ItemView) -> str:
    return f"{item.verdict or 'nobody looked'}: {item.actual}" if item.actual else item.verdict or "nobody looked"


def _late(face: ItemFace, item: ItemView) -> str:
    return f"took {format_duration(item.seconds)}, planned {format_duration(face.expect)}"


_TELLS: Mapping[str, Callable[[ItemFace, ItemView], str]] = {
    "open": lambda _, item: item.why_open,
    "waived": _why,
    "skipped": _why,
    "not applicable": _why,
    "failed": _seen,
    "unknown": _seen,
    "warned": _seen,
    "late": _late,
    "left out": lambda face, _: face.out_of_scope,
}
_STYLES: Mapping[str, str] = {
    "open": "bad strong",
    "failed": "bad strong",
    "waived": "override",
    "skipped": "override",
    "not applicable": "override",
    "left out": "dim",
}


def signature_lines(face: ItemFace, item: ItemView, scene: Scene) -> list[Line]:
    """A line for each role that signs: by whom and when, or that it is missing."""
    given = {said.role: said for said in item.said} if item.mark in ("open", "confirmed") else {}
    lines: list[Line] = []
    for name in face.signed_by:
        role, said = role_of(name, scene), given.get(name)
        if said is not None:
            lines.append((
                (f" {plain(said.actor)}", "strong"), (" signed", "good"),
                (f" for {plain(role.title)} {local_time(said.utc)}", "dim"),
            ))  # fmt: skip
        else:
            lines.append((
                (" __ ", "dim"), (plain(role.title), ""), (f" {plain(role.name) or 'nobody named'}", "dim"),
            ))  # fmt: skip
    return lines


def signing_lines(role: RoleView, name: str, scene: Scene, width: int) -> list[Line]:
    """What is signed for ROLE, and by whom: NAME, whom the driver attests, or else this person."""
    pledge = wrapped(f"{name or scene.me} signs for {role.title}: I have read what stands above.", width, "head")
    if name:
        attests = f"{name} signs by your hand: you attest it, and the record says that you did."
        pledge += wrapped(attests, width, "warn")
    return stacked([above_lines(scene, width), pledge])
