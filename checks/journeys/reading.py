"""Reading a journeys file: a Route out, or every mistake in it with its line and the mend."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from checks.journeys.captures import expression_fault
from checks.journeys.model import GIVEN, USUAL_CSRF, Csrf, File, Journey, JourneyError, Route, Step, names_in
from checks.jsonpath import path_fault
from state.durations import parse_duration
from state.problems import KeyPath, Problem, dotted
from state.schema import did_you_mean, mistakes

_STATUS = re.compile(r"[1-5]xx|[1-5]\d\d")
_SAFE = ("GET", "HEAD")
_Fault = tuple[KeyPath, str, str]


def load_journey(path: Path, name: str, given: Collection[str] = ()) -> Route:
    """The journey NAME of the file at PATH; GIVEN are variables that are set from outside.

    Raises JourneyError, which names every mistake in what this journey needs.
    """
    file, _ = _read(path)
    if faults := list(_faults_of(file, name, given)):
        told = (f"{path.name}: {dotted(at)}: {what}{f' ({mend})' if mend else ''}" for at, what, mend in faults)
        raise JourneyError("; ".join(told))
    order = _order(file.journey, name)
    variables = dict(file.vars)
    for each in order:
        variables |= file.journey[each].vars
    steps = tuple(step for each in order for step in file.journey[each].step)
    cleanup = tuple(step for each in reversed(order) for step in file.journey[each].finally_)
    return Route(name, file.journey[name].title or name, steps, cleanup, _csrf_of(file, name), variables)


def file_problems(path: Path, uses: Mapping[str, Collection[str]]) -> list[Problem]:
    """Every mistake of the file at PATH. USES: the journeys that items walk, each with the variables they set.

    A journey that the file does not have is the item's mistake, not the file's, and is not told here.
    """
    from state.locate import line_of, locate

    try:
        file, raw = _read(path)
    except _Broken as broken:
        return broken.problems
    except JourneyError as error:
        return [Problem(file=path.name, line=0, path="", message=str(error).removeprefix(f"{path.name}: "))]
    known = list(uses.values())
    faults: dict[_Fault, None] = {}
    for name in file.journey:
        # A journey that no item walks may be walked with whatever any item sets.
        given = uses[name] if name in uses else {each for some in known for each in some}
        faults |= dict.fromkeys(_faults_of(file, name, given))
    lines = locate(raw) if faults else {}
    return sorted(
        Problem(file=path.name, line=line_of(lines, at), path=dotted(at), message=what, mend=mend)
        for at, what, mend in faults
    )


def journeys_in(path: Path) -> list[str]:
    """The names of the journeys in the file at PATH. Raises JourneyError."""
    return list(_read(path)[0].journey)


class _Broken(JourneyError):
    """The file's own form is wrong: all of its problems."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__("; ".join(" ".join(str(problem).split()) for problem in problems))


def _read(path: Path) -> tuple[File, bytes]:
    try:
        raw = path.read_bytes()
        data = tomllib.loads(raw.decode())
    except OSError as error:
        raise JourneyError(f"{path.name}: {error.strerror}") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        found = re.search(r"\(at line (\d+)", str(error))
        line = int(found[1]) if found else 0
        what = f"not TOML: {str(error).partition(' (at ')[0]}"
        problem = Problem(file=path.name, line=line, path="", message=what, mend="mend the line; nothing was read")
        raise _Broken([problem]) from None
    try:
        return msgspec.convert(data, File), raw
    except msgspec.ValidationError as error:
        raise _Broken(_form(path.name, raw, data) or [_whole(path.name, str(error))]) from None


def _form(file: str, raw: bytes, data: dict[str, Any]) -> list[Problem]:
    from state.locate import line_of, locate

    lines = locate(raw)
    return sorted(
        Problem(file=file, line=line_of(lines, m.path), path=dotted(m.path), message=m.message, mend=m.mend)
        for m in mistakes(data, msgspec.json.schema(File))
    )


def _whole(file: str, message: str) -> Problem:
    return Problem(file=file, line=0, path="", message=message)


def _order(journeys: Mapping[str, Journey], name: str) -> list[str]:
    order: list[str] = []
    for before in journeys[name].first:
        order += [each for each in _order(journeys, before) if each not in order]
    return [*order, name]


def _csrf_of(file: File, name: str) -> Csrf:
    """Where the token is in the journey NAME: its own word, else the last of those before it, else the file's."""
    said = [file.journey[each].csrf for each in _order(file.journey, name)]
    return next((one for one in reversed(said) if one is not None), file.csrf or USUAL_CSRF)


def _faults_of(file: File, name: str, given: Collection[str]) -> Iterator[_Fault]:
    """Everything wrong with the journey NAME and those before it: the place, what it is, what would be right."""
    if name not in file.journey:
        yield ("journey",), f"no journey {name!r}: {did_you_mean(name, list(file.journey))}", ""
        return
    if broken := list(_broken_order(file.journey, name, ())):
        yield from broken
        return
    if not file.journey[name].step:
        yield ("journey", name), f"the journey {name!r} has no step", "write step = [ … ]"
    known = {*GIVEN, *given}
    for key, value in file.vars.items():
        yield from _unknown(("vars", key), value, known)
        known.add(key)
    order, csrf = _order(file.journey, name), _csrf_of(file, name)
    if not (csrf.field or csrf.header):
        yield ("journey", name), "[csrf] says where the token is found and not how it is sent", "name field or header"
    for each in order:
        for key, value in file.journey[each].vars.items():
            yield from _unknown(("journey", each, "vars", key), value, known)
            known.add(key)
    for each in order:
        for index, step in enumerate(file.journey[each].step):
            yield from _step(("journey", each, "step", index), step, known, csrf)
            known |= step.capture.keys()
    for each in order:
        for index, step in enumerate(file.journey[each].finally_):
            yield from _step(("journey", each, "finally", index), step, known, csrf)
            known |= step.capture.keys()


def _broken_order(journeys: Mapping[str, Journey], name: str, above: tuple[str, ...]) -> Iterator[_Fault]:
    for index, before in enumerate(journeys[name].first):
        at = ("journey", name, "first", index)
        if before in (*above, name):
            yield at, f"the journey {before!r} comes before itself", "take it out of first"
        elif before not in journeys:
            yield at, f"no journey {before!r}", did_you_mean(before, list(journeys))
        else:
            yield from _broken_order(journeys, before, (*above, name))


def _unknown(at: KeyPath, value: Any, known: Collection[str]) -> Iterator[_Fault]:
    for name in sorted(names_in(value) - set(known)):
        yield at, f"no variable {name!r} is set before", did_you_mean(name, sorted(known))


def _step(at: KeyPath, step: Step, known: Collection[str], csrf: Csrf) -> Iterator[_Fault]:
    given = (("path", step.path), ("submit", step.submit), ("mail", step.mail), ("run", step.run))
    kinds = [kind for kind, there in given if there]
    if len(kinds) != 1:
        said = " and ".join(kinds) or "nothing"
        yield at, f"step {step.name!r} has {said}", "give it a path, a submit, a mail or a run"
    for key, value in msgspec.to_builtins(step).items():
        yield from _unknown((*at, key), value, known)
    for key in ("when", "unless", "configured_by"):
        if (name := getattr(step, key)) and name not in known:
            yield (*at, key), f"no variable {name!r} is set before", did_you_mean(name, sorted(known))
    for name in step.differ:
        if name not in {*known, *step.capture}:
            yield (*at, "differ"), f"no variable {name!r} is set", did_you_mean(name, sorted(known))
    for variable, expression in step.capture.items():
        if fault := expression_fault(expression):
            yield (*at, "capture", variable), f"capture {variable}: {fault}", "see the forms in the page on journeys"
    yield from _values(at, step)
    if step.within and not (step.mail or step.run) and (step.submit or step.method not in _SAFE):
        mend = "repeat a GET in a step after it instead"
        yield (*at, "within"), f"{'a form' if step.submit else step.method} would be sent again and again", mend
    if step.csrf and step.json is not None and not csrf.header:
        yield (*at, "csrf"), "a JSON body has no field for the token", "name header in [csrf]"
    if step.healthy and not step.run:
        yield (*at, "healthy"), "is looked at after a program was run, and this step runs none", "take it out"


def _values(at: KeyPath, step: Step) -> Iterator[_Fault]:
    for one in step.status if isinstance(step.status, list) else [step.status]:
        if not _STATUS.fullmatch(str(one)):
            yield (*at, "status"), f"{one!r} is no status", 'write 200, "2xx" or [200, 404]'
    if step.status == []:
        yield (*at, "status"), "an empty list fits no answer", 'write 200, "2xx" or [200, 404]'
    patterns: list[tuple[KeyPath, str]] = [(("matches", n), p) for n, p in enumerate(step.matches)]
    patterns += [(("header_matches", name), p) for name, p in step.header_matches.items()]
    for below, pattern in patterns:
        if "${" not in pattern and (fault := _pattern_fault(pattern)):
            yield (*at, *below), fault, "write a regular expression"
    for path in step.json_is:
        if "${" not in path and (fault := path_fault(path)):
            yield (*at, "json_is", path), fault, 'write "a.b", or a JSONPath: "$.a[0]"'
    if step.submit and "${" not in step.submit and (fault := expression_fault(f"css:{step.submit}")):
        yield (*at, "submit"), fault, "write a CSS selector"
    if step.within:
        try:
            parse_duration(step.within)
        except ValueError as error:
            yield (*at, "within"), str(error), 'write "10s" or "2m"'


def _pattern_fault(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        return f"{error}"
    return ""
