"""The first checklist of a project: the shipped one, its targets filled in by what was found. Pure.

Every target says where it was found. What was not found is a TODO that says what the setting means; nothing is
guessed. A target without a value takes it from the environment, so that a check which needs it answers *unknown*.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from typing import Any

import tomli_w

from state.clean import clean
from state.targets import references
from tminus.survey.answers import MEANINGS, OWN, Answer, answers, pushed_to
from tminus.survey.project import Survey

_HEAD = """\
# Written by `tminus init`, from the checklist that tminus ships. Each target below says where it was found; what was
# not found is marked TODO: `tminus validate` lists what is still open. From here on the file is yours.
#
"""
_SAMPLE = re.compile(r"skymodder", re.IGNORECASE)  # the site of the shipped checklist: of no use to anybody else


@dataclass(frozen=True, slots=True)
class Draft:
    """The TEXT of checklist.toml, and what is still OPEN in it, in its order."""

    text: str
    open: tuple[str, ...]


def draft(shipped: str, found: Survey) -> Draft:
    """The checklist of the project FOUND, made of the SHIPPED one. The same for the same folder, always."""
    before, block, after = _parts(shipped)
    meanings, known = _meanings(block), answers(found)
    lines = ["[targets]"]
    for key, value in tomllib.loads(block)["targets"].items():
        lines += _target(key, value, meanings.get(key, ""), known.get(key))
    if len(found.health_paths) == 1:
        health = found.health_paths[0]
        lines += ["", f"# The health path below is {clean(health.value)}, from {clean(health.where)}"]
    lines += ["", *(f"# TODO {clean(what)}" for what in _beyond(found))]
    # The schema lies beside the shipped file alone: an editor would look for it in vain.
    kept = [line for line in before.splitlines(keepends=True) if not line.startswith("#:schema")]
    while kept and kept[0].strip() in ("", "#"):
        kept.pop(0)
    text = f"{_HEAD}{''.join(kept)}{chr(10).join(lines)}\n\n{_own(after, found)}"
    return Draft(text, open_in(text))


def open_in(text: str) -> tuple[str, ...]:
    """What is still open in the TEXT of a checklist: its comments that begin with TODO.

    >>> open_in("a = 1\\n# TODO b: say it\\nc = 2  # TODO not this")
    ('b: say it',)
    """
    return tuple(re.findall(r"^\s*# TODO:? (.+)$", text, re.MULTILINE))


def _parts(shipped: str) -> tuple[str, str, str]:
    """What stands before the targets, the targets, and what comes after, its comments with it."""
    lines = shipped.splitlines(keepends=True)
    begin = lines.index("[targets]\n")
    end = next(n for n in range(begin + 1, len(lines)) if lines[n].startswith("["))
    while lines[end - 1].startswith("#") or not lines[end - 1].strip():
        end -= 1
    return "".join(lines[:begin]), "".join(lines[begin:end]), "".join(lines[end:]).lstrip("\n")


def _meanings(block: str) -> dict[str, str]:
    """What the shipped checklist says of each target: beside it, or in the lines above."""
    meanings: dict[str, str] = {}
    above: list[str] = []
    for line in block.splitlines():
        if line.startswith("#"):
            above.append(line.lstrip("# "))
        elif match := re.match(r"(\w+) = (?:[^#\"]|\"[^\"]*\")*(?:# (.*))?$", line):
            meanings[match[1]] = match[2] or " ".join(above)
            above = []
    return meanings | MEANINGS


def _target(key: str, shipped: Any, meaning: str, answer: Answer | None) -> list[str]:
    variables = [name for name in _names(shipped) if name.startswith("env:")]
    note = [f"# {meaning}"] if meaning else []
    if answer is not None and answer.value is not None:
        return [*note, f"{_line(key, answer.value)}  # from {clean(answer.where)}"]
    where = clean(answer.where) if answer is not None else ""
    about = ": ".join(filter(None, (key, meaning)))
    why = f" ({where})" if where else ""
    if variables:
        return [
            f"# TODO {about}{why}; set {variables[0].removeprefix('env:')} where tminus runs",
            _line(key, shipped),
        ]
    if key in OWN:
        return [*note, f"{_line(key, shipped)}  # {OWN[key]}"]
    if answer is not None and answer.fallback is not None:
        return [f"# TODO {about}{why}", _line(key, answer.fallback)]
    if _SAMPLE.search(str(shipped)) or answer is not None:
        unset = f"${{env:{key.upper()}}}"
        return [f"# TODO {about}{why}; write it here", _line(key, [unset] if isinstance(shipped, list) else unset)]
    return [f"# TODO {about}; as the shipped checklist has it: is it so here?", _line(key, shipped)]


def _names(value: Any) -> list[str]:
    texts = value if isinstance(value, list) else [value]
    return [name for text in texts if isinstance(text, str) for name in references(text)]


def _line(key: str, value: Any) -> str:
    # One line, whatever it holds: a list as it is written in the shipped file.
    if isinstance(value, list):
        return f"{key} = [{', '.join(_scalar(one) for one in value)}]"
    return f"{key} = {_scalar(value)}"


def _scalar(value: Any) -> str:
    return tomli_w.dumps({"v": value}).removeprefix("v = ").removesuffix("\n")


def _beyond(found: Survey) -> list[str]:
    """What is open and is no target."""
    todo = ["role: names and how to reach them, in each [[role]] below"]
    if len(found.health_paths) != 1:
        seen = ", ".join(one.value for one in found.health_paths) or "none was found in the code or in render.yaml"
        todo.append(f"health: where the application says that it is well; the items below ask /healthz ({seen})")
    if found.metrics_path is None:
        todo.append(
            "metrics: the application serves no /metrics; without it [metrics.pool] and the gates on it see nothing"
        )
    if found.migrations is None:
        todo.append(
            "migrations: no alembic.ini was found; alembic-upgrade and verify-tables need one. Without, take them "
            "out and give migrate-data create_schema = true"
        )
    if found.blueprint is None:
        todo.append("render.yaml: there is none; the items about Render's dashboard are still a person's")
    elif found.blueprint.trouble:
        todo.append(f"render.yaml: {found.blueprint.trouble}")
    if pushed_to(found) is None:
        seen = ", ".join(one.value for one in found.remotes) or "no remote"
        todo.append(f"push: the remote and the branch that are deployed; the items below say render main ({seen})")
    todo.append("journeys: journeys.toml walks the sample application; write the ways through yours")
    return todo


def _own(text: str, found: Survey) -> str:
    """TEXT, the rest of the shipped checklist, with the sample's names taken out of it."""
    plan = found.blueprint
    if len(found.health_paths) == 1:
        text = text.replace("/healthz", _plain(found.health_paths[0].value, "/healthz"))
    if (push := pushed_to(found)) is not None:
        remote, branch = _plain(push[0].value, "render"), _plain(push[1], "main")
        text = text.replace("git push render main", f"git push {remote} {branch}")
        text = text.replace("render/main..main", f"{remote}/{branch}..{branch}")
    if len(found.sqlite) == 1:
        text = text.replace("instance/app.db", _plain(found.sqlite[0].value, "instance/app.db"))
    domain = _plain(plan.domain.value if plan and plan.domain else "", "example.org")
    service = _plain(plan.web[0].value if plan and len(plan.web) == 1 else "", "YOUR-SERVICE")
    return text.replace("skymodderai.com", domain).replace("skymodderai", service)


def _plain(value: str, otherwise: str) -> str:
    """VALUE, if it may stand in the middle of any text of a TOML file as it is; else OTHERWISE."""
    return value if re.fullmatch(r"[\w./@+-]+", value) else otherwise
