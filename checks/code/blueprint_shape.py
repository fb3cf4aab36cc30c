"""Whether a Blueprint has the shape that Render takes: keys, types, choices."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from checks.code.blueprint_model import SOURCES, kind_of, runtime_of
from checks.code.blueprint_schema import PROPERTIES, SECTIONS, Key
from checks.code.blueprint_yaml import Scalar, Sequence, Table, Tree, as_text
from checks.code.finding import Finding, Rule
from state.schema import did_you_mean

UNKNOWN = Rule(
    "blueprint/unknown-key",
    "error",
    "a key that Render does not know",
    "A Blueprint with an unknown key is refused, or the setting that was meant is silently not made.",
)
MISPLACED = Rule(
    "blueprint/misplaced-key",
    "warning",
    "a key that this type of service does not take",
    "The setting has no effect there, or the sync is refused.",
)
DEPRECATED = Rule(
    "blueprint/deprecated-key",
    "warning",
    "a key or a value under its old name",
    "It is still read, and gives way where the new key is there too.",
)
TYPE = Rule(
    "blueprint/type",
    "error",
    "a value of the wrong type",
    "Render refuses the Blueprint; nothing in it is applied.",
)
BOOLEAN = Rule(
    "blueprint/yaml-boolean",
    "warning",
    "a bare word that YAML takes for true or false",
    "off, on, yes and no without quotes are booleans in YAML 1.1, and are no longer the text that was meant.",
)
NUMBER = Rule(
    "blueprint/number-form",
    "warning",
    "a number that is not the text that was written",
    "3.10 without quotes is 3.1, 010 is 8, 1_000 is 1000: the variable gets another value than the file shows.",
)
CHOICE = Rule(
    "blueprint/choice",
    "error",
    "a value that Render does not offer",
    "Render refuses the Blueprint; nothing in it is applied.",
)
REGION = Rule(
    "blueprint/region",
    "error",
    "an unknown region",
    "Render refuses the Blueprint; a region cannot be changed after creation.",
)
REQUIRED = Rule(
    "blueprint/required-key", "error", "a key that must be there is missing", "Render refuses the Blueprint."
)
TWICE = Rule(
    "blueprint/duplicate-key",
    "error",
    "the same key twice in one table",
    "One of the two values is lost, and readers differ in which.",
)
SOURCE = Rule(
    "blueprint/env-source",
    "error",
    "an environment variable without a value, or with two",
    "Every entry of envVars has one source: value, generateValue, sync, fromDatabase, fromService or fromGroup.",
)

RULES = (UNKNOWN, MISPLACED, DEPRECATED, TYPE, BOOLEAN, NUMBER, CHOICE, REGION, REQUIRED, TWICE, SOURCE)

Say = Callable[[Rule, int, str, str], Finding]


def shape_findings(tree: Table, say: Say) -> Iterator[Finding]:
    """What in TREE does not fit the schema."""
    yield from _table(tree, "blueprint", "the Blueprint", "", say)


def _table(table: Table, section: str, what: str, kind: str, say: Say) -> Iterator[Finding]:
    known = SECTIONS[section]
    for name, line in table.twice:
        yield say(TWICE, line, f"{what} has {name} twice", f"keep one {name}")
    for name, value in table.entries.items():
        line = table.line_of(name)
        key = known.get(name)
        if key is None:
            yield say(UNKNOWN, line, f"{what} has an unknown key {name!r}", did_you_mean(name, list(known)))
        elif key.instead:
            yield say(DEPRECATED, line, f"{what} has the deprecated key {name!r}", f"write {key.instead}")
            yield from _value(value, key, name, what, kind, say)
        elif kind and kind not in key.takes:
            mend = f"take it out; it is for: {', '.join(sorted(key.takes))}"
            yield say(MISPLACED, line, f"{what} is of type {kind}, which has no {name}", mend)
        else:
            yield from _value(value, key, name, what, kind, say)
    for name, key in known.items():
        if key.required and name not in table.entries:
            yield say(REQUIRED, table.line, f"{what} has no {name}", f"add {name}: …")
    if section == "service":
        yield from _service(table, what, kind, say)
    elif section in ("variable", "group variable"):
        yield from _variable(table, what, say)
    elif section == "from service":
        yield from _from_service(table, what, say)


def _service(table: Table, what: str, kind: str, say: Say) -> Iterator[Finding]:
    if table.text("type") == "redis":
        yield say(DEPRECATED, table.line_of("type"), f"{what} has the deprecated type redis", "write type: keyvalue")
    runtime = runtime_of(table)
    wanted = {"cron": ["schedule"], "static": ["staticPublishPath"], "keyvalue": ["ipAllowList"]}.get(kind, [])
    if kind in ("web", "pserv", "worker", "cron"):
        native = bool(runtime) and runtime not in ("docker", "image")
        wanted = [*wanted, *([] if runtime else ["runtime"]), *(["startCommand", "buildCommand"] if native else [])]
        wanted += ["image"] if runtime == "image" else []
    for name in wanted:
        if name not in table.entries:
            yield say(REQUIRED, table.line, f"{what} ({runtime or kind}) has no {name}", f"add {name}: …")


def _variable(table: Table, what: str, say: Say) -> Iterator[Finding]:
    if "fromGroup" in table.entries:
        return
    sources = [one for one in SOURCES if one in table.entries]
    key = table.text("key")
    if not key:
        yield say(REQUIRED, table.line, f"{what} has an entry in envVars without a key", "add key: NAME")
    elif len(sources) != 1:
        found = " and ".join(sources) or "no value"
        yield say(SOURCE, table.line, f"{what}: {key} has {found}", "give it one source, as value: …")
    for name in ("value", "previewValue"):
        given = table.get(name)
        if isinstance(given, Scalar) and type(given.value) in (int, float) and as_text(given) != given.text:
            message = f"{what}: {key or name} is written {given.text} and read as {as_text(given)}"
            yield say(NUMBER, given.line, message, f'write {name}: "{given.text}"')


def _from_service(table: Table, what: str, say: Say) -> Iterator[Finding]:
    kind, asked = table.text("type"), table.text("property")
    if not asked and "envVarKey" not in table.entries:
        yield say(REQUIRED, table.line, f"{what} asks for nothing", "add property: … or envVarKey: …")
    elif asked and asked not in PROPERTIES.get(kind, ()):
        message = f"{what}: a service of type {kind} has no property {asked!r}"
        known = ", ".join(PROPERTIES.get(kind, ())) or "none; take envVarKey: …"
        yield say(CHOICE, table.line_of("property"), message, f"known for {kind}: {known}")


def _value(value: Tree, key: Key, name: str, what: str, kind: str, say: Say) -> Iterator[Finding]:
    match key.kind:
        case "table" | "list of tables":
            yield from _inner(value, key, name, what, kind, say)
        case "list of text":
            fits = isinstance(value, Sequence) and all(isinstance(item, Scalar) for item in value.items)
            if not fits:
                yield say(TYPE, value.line, f"{what}: {name} is {_is(value)}", f"write {name} as a list of text")
        case _:
            yield from _scalar(value, key, name, what, say)


def _inner(value: Tree, key: Key, name: str, what: str, kind: str, say: Say) -> Iterator[Finding]:
    wanted = "a list" if key.kind == "list of tables" else "a table"
    items = value.items if isinstance(value, Sequence) else (value,)
    if isinstance(value, Sequence) != (key.kind == "list of tables"):
        yield say(TYPE, value.line, f"{what}: {name} is {_is(value)}", f"write {name} as {wanted}")
        return
    for number, item in enumerate(items, 1):
        if not isinstance(item, Table):
            where = f"{name} {number}" if wanted == "a list" else name
            yield say(TYPE, item.line, f"{what}: {where} is {_is(item)}", "write it as a table: name: …")
            continue
        own = kind_of(item) if key.section == "service" else ""
        yield from _table(item, key.section, _named(item, key.section, what, name), own, say)


def _named(item: Table, section: str, what: str, name: str) -> str:
    if section in ("service", "database", "group", "project"):
        return f"{section} {item.text('name') or 'without a name'}"
    if section in ("variable", "group variable", "address", "route", "header", "environment"):
        return what
    return f"{what}, {name}"


def _scalar(value: Tree, key: Key, name: str, what: str, say: Say) -> Iterator[Finding]:
    if not isinstance(value, Scalar) or value.value is None:
        yield say(TYPE, value.line, f"{what}: {name} is {_is(value)}", f"write {name} as {_wanted(key)}")
        return
    said = value.value
    if isinstance(said, bool) and key.kind in ("text", "text or number"):
        mend = f'write {name}: "{value.text}"'
        yield say(BOOLEAN, value.line, f"{what}: {name} is {value.text} without quotes, a boolean", mend)
        said = value.text
    number = isinstance(said, int) and not isinstance(said, bool)
    fits = {
        "text": isinstance(said, str),
        "text or number": isinstance(said, str | int | float),
        "whole number": number,
        "true or false": isinstance(said, bool),
    }[key.kind]
    if not fits:
        mend = f'write {name}: "{value.text}"' if key.kind == "text" else f"write {name} as {_wanted(key)}"
        yield say(TYPE, value.line, f"{what}: {name} is {_is(value)}, not {_wanted(key)}", mend)
    elif key.choices and said not in key.choices:
        rule = REGION if name == "region" else CHOICE
        mend = did_you_mean(str(said), list(key.choices))
        if (name, said) == ("type", "static"):
            mend = "a static site is type: web with runtime: static"
        yield say(rule, value.line, f"{what}: {name} is {str(said)!r}", mend)
    elif isinstance(said, int) and (
        (key.least is not None and said < key.least) or (key.most is not None and said > key.most)
    ):
        bounds = f"{key.least} to {key.most}" if key.most is not None else f"{key.least} or more"
        yield say(CHOICE, value.line, f"{what}: {name} is {said}", f"write {bounds}")


def _wanted(key: Key) -> str:
    return {"text": "text", "true or false": "true or false"}.get(key.kind, f"a {key.kind}".replace("a text", "text"))


def _is(value: Tree) -> str:
    match value:
        case Table():
            return "a table"
        case Sequence():
            return "a list"
        case Scalar(value=None):
            return "empty"
        case Scalar(value=bool()):
            return "true or false"
        case Scalar(value=int() | float()):
            return "a number"
        case _:
            return "text"
