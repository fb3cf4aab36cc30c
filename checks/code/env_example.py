""".env.example: the page from which the next person sets the application up. It names all, and gives nothing away."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from checks.code.environment import CodeReading, Read, advancing, is_given, read_project
from checks.code.finding import Finding, Rule, outcome_of, switched
from checks.code.secrets import is_placeholder, names_a_secret, secret_in
from checks.contract import Context, check
from state.verdicts import Outcome

DATABASE = Rule(
    "env/database-url",
    "error",
    "no PostgreSQL URL as the example of the database",
    "Whoever sets up the next machine takes SQLite, and finds out what PostgreSQL refuses in production.",
)
SCHEME = Rule(
    "env/postgres-scheme",
    "warning",
    "a URL that begins with postgres://",
    "SQLAlchemy has refused this scheme since 1.4; libpq and Render's older URLs still have it.",
)
SECRET = Rule(
    "env/secret", "error", "a live secret in the example", "Everybody who reads the repository, now or later, has it."
)
LIVE = Rule(
    "env/live-value",
    "error",
    "a secret of .env that stands in the example too",
    "The example was copied from the real file with its secrets.",
)
MISSING = Rule(
    "env/missing",
    "error",
    "a variable that the code needs and the example does not name",
    "The application does not start, and nothing says which variable it lacks.",
)
OPTIONAL = Rule(
    "env/missing-optional",
    "warning",
    "a variable with a default that the example does not name",
    "Nobody knows that it can be set.",
)
TWICE = Rule(
    "env/duplicate", "warning", "the same variable twice", "The last one counts, or the first: readers differ."
)
LINE = Rule("env/line", "warning", "a line that is no KEY=value", "Readers skip it, or stop there.")
CODE = Rule("env/unreadable-code", "warning", "a file that is no Python", "Which variables it reads is not known.")

RULES = (DATABASE, SCHEME, SECRET, LIVE, MISSING, OPTIONAL, TWICE, LINE, CODE)

_ASSIGNED = re.compile(r"^\s*(?P<off>#\s*)?(?:export\s+)?(?P<key>[A-Za-z_]\w*)\s*=(?P<value>.*)$")
# In a comment only a name in capitals is meant as a variable: "# a = b" is prose.
_CAPITALS = re.compile(r"^[A-Z][A-Z0-9_]*$")
_POSTGRES = re.compile(r"^postgres(?:ql)?(?:\+\w+)?://", re.IGNORECASE)
# (rule, line, message, mend)
Say = Callable[[Rule, int, str, str], Finding]

_SHORTEST = 6  # characters of a secret that is looked for


@dataclass(frozen=True, slots=True)
class Setting:
    """KEY=VALUE at LINE; `commented` when the line begins with #, as an example that is switched off."""

    key: str
    value: str
    line: int
    commented: bool = False


def settings_of(text: str) -> tuple[tuple[Setting, ...], tuple[int, ...]]:
    """The settings of a .env file, and the lines that are none. A quoted value may go over lines.

    The format is that of python-dotenv without its interpolation.
    """
    found: list[Setting] = []
    odd: list[int] = []
    lines = text.removeprefix("\ufeff").splitlines()
    number = 0
    while number < len(lines):
        line, at = lines[number], number + 1
        number += 1
        match = _ASSIGNED.match(line)
        if match is None:
            if line.strip() and not line.lstrip().startswith("#"):
                odd.append(at)
            continue
        commented = match["off"] is not None
        if commented and not _CAPITALS.match(match["key"]):
            continue
        value = match["value"].strip()
        quote = value[:1]
        if quote in ("'", '"') and not commented:
            end = _end_of_quote(value, quote)
            while end < 0 and number < len(lines):
                value += "\n" + lines[number]
                number += 1
                end = _end_of_quote(value, quote)
            value = value[1:end] if end > 0 else value[1:]
        else:
            value = re.sub(r"(?:^|\s)#.*$", "", value).strip().strip("'\"")
        found.append(Setting(match["key"], value, at, commented))
    return tuple(found), tuple(odd)


def _end_of_quote(value: str, quote: str) -> int:
    place = value.find(quote, 1)
    while place > 0 and quote == '"' and value[place - 1] == "\\":
        place = value.find(quote, place + 1)
    return place


def findings_of(
    text: str,
    file: str,
    reading: CodeReading,
    *,
    database: str = "DATABASE_URL",
    live: str = "",
    ignore: Collection[str] = (),
) -> tuple[Finding, ...]:
    """What is wrong in the example TEXT, named FILE, of a project whose code reads what READING says.

    DATABASE is the variable of the database; LIVE the text of the real .env; IGNORE are variables that nobody has to
    document. No finding holds a value.
    """
    settings, odd = settings_of(text)

    def say(rule: Rule, line: int, message: str, mend: str) -> Finding:
        return Finding(rule.id, rule.level, file, line, message, mend)

    found = [say(LINE, line, "no KEY=value", "write KEY=value, or # before a remark") for line in odd]
    seen: dict[str, int] = {}
    for one in (one for one in settings if not one.commented):
        if one.key in seen:
            found.append(say(TWICE, one.line, f"{one.key} stands in line {seen[one.key]} too", "keep one of them"))
        seen.setdefault(one.key, one.line)
    found += _database(settings, database, say)
    for one in settings:
        if what := secret_in(one.key, one.value):
            mend = f"replace the secret (it is known now), and write {one.key}=change-me"
            found.append(say(SECRET, one.line, f"{one.key} holds {what}", mend))
    spoken = {one.line for one in found if one.rule == SECRET.id}
    for line, key in _copied(text, settings_of(live)[0]):
        if line not in spoken:
            mend = "replace the secret (it is known now), and write a placeholder"
            found.append(say(LIVE, line, f"the value of {key} in the real file stands here", mend))
    found += _missing(settings, reading, {database, *ignore}, say)  # of the database the rule above speaks
    for name, line, why in reading.unreadable:
        mend = "mend it, or take it out of the project"
        found.append(Finding(CODE.id, CODE.level, name, line, f"cannot be read: {why}", mend))
    return switched(found, ())


def _database(settings: tuple[Setting, ...], name: str, say: Say) -> Iterator[Finding]:
    own = [one for one in settings if one.key == name]
    example = f"{name}=postgresql://user:change-me@localhost:5432/app"
    if not own:
        yield say(DATABASE, 0, f"{name} is not there", f"add {example}")
        return
    urls = [one for one in own if _POSTGRES.match(one.value)]
    if not urls:
        kind = "SQLite" if any(one.value.startswith("sqlite") for one in own) else "no PostgreSQL URL"
        yield say(DATABASE, own[0].line, f"the example of {name} is {kind}", f"write {example} (a comment will do)")
    for one in urls:
        if one.value.lower().startswith("postgres://"):
            yield say(SCHEME, one.line, f"{name} begins with postgres://", "write postgresql://")


def _copied(text: str, live: tuple[Setting, ...]) -> Iterator[tuple[int, str]]:
    """(line of the example, variable of the real file) wherever a secret of the real one stands in the example."""
    secrets: Mapping[str, str] = {part: one.key for one in live if not one.commented for part in _secret_parts(one)}
    for number, line in enumerate(text.splitlines(), 1):
        key = next((key for part, key in secrets.items() if part in line), None)
        if key is not None:
            yield number, key


def _secret_parts(one: Setting) -> Iterator[str]:
    parts = []
    if "://" in one.value:
        try:
            url = urlsplit(one.value)
            parts = [url.password or "" if url.password != url.username else ""]
        except ValueError:
            parts = [one.value]
    elif names_a_secret(one.key) or secret_in(one.key, one.value):
        parts = one.value.splitlines()
    yield from (part for part in parts if len(part) >= _SHORTEST and not is_placeholder(part))


def _missing(
    settings: tuple[Setting, ...], reading: CodeReading, ignore: Collection[str], say: Say
) -> Iterator[Finding]:
    named = {one.key for one in settings} | set(ignore)
    lacking: dict[str, Read] = {}
    for read in reading.reads:
        if read.name not in named and not is_given(read.name):
            first = lacking.get(read.name)
            if first is None or (read.required and not first.required):
                lacking[read.name] = read
    for name, read in lacking.items():
        rule = MISSING if read.required else OPTIONAL
        message = f"{name} is missing, and {read.file}:{read.line} reads it"
        yield say(rule, 0, message, f"add {name}=… with an example, or a line # {name}=…")


@check("code.env_example", timeout="60s", fresh_for="1h")
def env_example(
    ctx: Context,
    *,
    file: Path = Path(".env.example"),
    source: Path = Path(),
    database: str = "DATABASE_URL",
    env: Path | None = None,
    ignore: list[str] | None = None,
    off: list[str] | None = None,
) -> Outcome:
    """The example of the environment: a PostgreSQL URL for DATABASE, no live secret, every variable that is read.

    Variables are found in the Python code below SOURCE. No secret of the real file ENV (.env beside the example
    unless said) may stand in it. IGNORE are variables that nobody has to document; OFF switches rules off, by id
    ("env/line").
    """
    name = _named(file, ctx.project)
    try:
        text = file.read_text(encoding="utf-8-sig")
        real = env if env is not None else file.with_name(".env")
        live = real.read_text(encoding="utf-8-sig") if real.is_file() and not _same(real, file) else ""
        reading = read_project(source, ctx.project, on_file=advancing(ctx))
    except FileNotFoundError:
        return Outcome.unknown(f"no file {name}", hint='name the example: with = { file = ".env.example" }')
    except UnicodeDecodeError:
        return Outcome.error(f"{name}, or the real file beside it, is not UTF-8", hint="write both in UTF-8")
    except OSError as error:
        return Outcome.error(f"{name} cannot be read: {error.strerror or error}", hint="see who may read it")
    found = switched(findings_of(text, name, reading, database=database, live=live, ignore=ignore or ()), off or ())
    settings, _ = settings_of(text)
    documented = {one.key for one in settings}
    unread = sorted(documented - reading.names)
    evidence: dict[str, object] = {
        "documented": len(documented),
        "read_by_code": len({one for one in reading.names if not is_given(one)}),
        "python_files": reading.files,
        "compared_with_real_file": bool(live),
    }
    if unread:
        evidence["never_read"] = ", ".join(unread)  # a library may read it: a note, no finding
    if not reading.files and not any(one.level == "error" for one in found):
        hint = "name the folder of the code: source"
        return Outcome.unknown("no Python file to compare it with", hint=hint, evidence=evidence)
    looked = f"{name} with {len(documented)} variables and {reading.files} Python files"
    expected = f"a PostgreSQL example of {database}, all that is read, no secret"
    return outcome_of(found, looked_at=looked, expected=expected, evidence=evidence)


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False


def _named(file: Path, project: Path) -> str:
    try:
        return file.resolve().relative_to(project.resolve()).as_posix()
    except ValueError:
        return file.name
