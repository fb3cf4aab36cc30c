"""A wrong checklist is refused with every mistake in it: the file, the line, the key, and what would be right."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from state.definition import Checklist, Item
from state.loader import load_checklist
from state.locate import line_of, locate
from state.problems import ChecklistError, KeyPath, Problem
from state.schema import schema_text

ROOT = Path(__file__).parents[2]
SOUND = """\
schema = 1
title = "Move"
[targets]
db = "app.db"
[[gate]]
id = "g"
text = "errors"
metric = "m"
when = "> 10%"
for = "15m"
[[phase]]
id = "p"
title = "P"
[[phase.step]]
title = "S"
[[phase.step.item]]
id = "a"
text = "A"
check = "x.y"
with = { path = "${db}" }
[[phase.step.item]]
id = "b"
text = "B"
needs = ["a"]
"""


@pytest.fixture
def write(tmp_path: Path):  # type: ignore[no-untyped-def]
    def written(text: str, name: str = "checklist.toml") -> Path:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return written


def problems_of(path: Path, item_problems=None) -> tuple[Problem, ...]:  # type: ignore[no-untyped-def]
    with pytest.raises(ChecklistError) as caught:
        load_checklist(path, item_problems)
    return caught.value.problems


TWENTY = """\
schema = 1
tilte = "Move"                          # 2 did you mean 'title'
record_dir = 5                          # 3 not a string
colour = "red"                          # 4 unknown key
[targets]
db = "postgresql://app:hunter22@db/app" # 6 a password in the file
other = "${env:X} ${db}"                # 7 a reference in a target
[[role]]
id = "dba"                              # 8 no title
[[gate]]
id = "g"
text = "errors"
metric = "m"
when = "more than 10%"                  # 14 not of the right form
mode = "window"                         # 10 does not say over how long
arm_at = "psuh"                         # 16 did you mean 'push'
[[phase]]
id = "p"
title = "P"
at = "tomorrow"                         # 20 not of the right form
mode = "read-doo"                       # 21 not one of the choices
[[phase.step]]
title = "S"
[[phase.step.item]]
id = "push"
text = ""                               # 26 is empty
point_of_no_return = true               # 27 takes two people
pair = "yes"                            # 28 not true or false
[[phase.step.item]]
id = "push"                             # 30 used twice
text = "again"
chek = "x.y"                            # 32 did you mean 'check'
with = { path = "${bd}" }               # 33 no target
[[phase.step.item]]
id = "Not An Id"                        # 35 not of the right form
text = "c"
marks = "check"                         # 37 but no check
role = "dab"                            # 38 did you mean 'dba'
needs = ["nothing"]                     # 39 no item
until = "2d"                            # 40 never says how often
[[phase.step.item]]
id = "d"
text = "d"
check = "no.such"                       # 44 from the registry
"""


def unknown_check(item: Item, checklist: Checklist) -> Iterable[tuple[KeyPath, str, str]]:
    if item.check == "no.such":
        yield ("check",), "no check 'no.such'", "known: x.y"


def test_every_mistake_of_form_and_of_sense_is_told_at_once_with_its_line(write) -> None:  # type: ignore[no-untyped-def]
    found = problems_of(write(TWENTY), unknown_check)
    told = [(p.line, p.path.rpartition(".")[2], p.message) for p in found]
    wanted = [2, 3, 4, 6, 7, 8, 10, 14, 16, 20, 21, 26, 28, 30, 32, 33, 35, 37, 38, 39, 40, 44]
    assert [line for line, _, _ in told] == wanted, "\n".join(map(str, found))
    assert all(p.mend and p.file == "checklist.toml" for p in found)
    text = "\n".join(map(str, found))
    for mend in ("'title'", "'push'", "'check'", "'dba'", "a password in the file", 'add over = "15m"'):
        assert mend in text
    assert "hunter22" not in text
    assert "stand-in" not in text


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("schema = 1", "schema = 2", 1, "written for a newer tminus (schema 2"),
        ("schema = 1", "schema = 0", 1, "not one of the choices"),
        ('for = "15m"', "", 5, "does not say how long"),
        ('for = "15m"', 'for = "0s"', 10, "no time at all"),
        ('for = "15m"', 'for = "15m"\nover = "15m"', 11, '"over" means a window'),
        ('needs = ["a"]', 'needs = ["b"]', 24, "cannot wait for itself"),
        ('needs = ["a"]', 'needs = [5]', 24, "is not a string"),
        ('check = "x.y"', 'check = "x.y"\nneeds = ["b"]', 20, "waits for this item in its turn"),
        ('title = "P"', 'title = "P"\nmode = "read-do"\n[[phase.step]]\ntitle = "0"\n[[phase.step.item]]\nid = "z"\n'
         'text = "z"\nneeds = ["b"]', 20, "comes later"),
        ('with = { path = "${db}" }', 'with = { path = "${env:DB}" }', 20, "outside of [targets]"),
        ('check = "x.y"', "", 20, "parameters without a check"),
        ('check = "x.y"', 'check = "x.y"\nmarks = "check"\npair = true', 21, "no second one"),
        ('title = "Move"', 'title = "Move"\n"a\\u001b[2Jb" = 1', 3, "unknown key"),
        ("[targets]", "targets = 3\n[other]", 3, "is not a table"),
        ("[[phase]]", "[[phase]]\nstep = 5\nid = \"q\"\ntitle = \"Q\"\n[[phase]]", 12, "is not an array"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_line(write, old: str, new: str, line: int, said: str) -> None:  # type: ignore[no-untyped-def]
    assert old in SOUND
    found = problems_of(write(SOUND.replace(old, new, 1)))
    assert line in [p.line for p in found if said in p.message], "\n".join(map(str, found))
    assert all(str(p).replace("\n", "").isprintable() for p in found)


def test_a_sound_file_loads(write) -> None:  # type: ignore[no-untyped-def]
    loaded = load_checklist(write(SOUND))
    assert list(loaded.checklist.items) == ["a", "b"]
    assert load_checklist(write(SOUND)).sha256 == loaded.sha256
    assert load_checklist(write(SOUND + "# \n")).sha256 != loaded.sha256


@pytest.mark.parametrize(
    ("raw", "line", "said"),
    [
        (b'schema = 1\ntitle = "a\n', 2, "not TOML"),
        (b"schema = 1\ntitle = 'a'\ntitle = 'b'\n", 3, "not TOML"),
        (b"schema = 1\ntitle = '\xff'\n", 2, "not UTF-8"),
        (b"a = " + b"[" * 20_000, 0, "not TOML"),
        (b"a = " + b"1" * 9_000, 0, "not TOML"),
    ],
)
def test_what_is_no_toml_is_refused(tmp_path: Path, raw: bytes, line: int, said: str) -> None:
    path = tmp_path / "checklist.toml"
    path.write_bytes(raw)
    (problem,) = problems_of(path)
    assert (problem.line, problem.message.startswith(said)) == (line, True)


def test_a_file_that_is_not_there_is_a_problem_with_its_name(tmp_path: Path) -> None:
    (problem,) = problems_of(tmp_path / "none.toml")
    assert "none.toml" in str(problem)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_file_with_any_value_in_any_place_is_loaded_or_refused_but_never_crashes(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    lines = SOUND.splitlines()
    at = data.draw(st.sampled_from([n for n, line in enumerate(lines) if "=" in line]))
    value = data.draw(st.sampled_from(["5", '""', "[]", "{}", "[[1]]", "{ a = 1 }", "true", "1.5", '"x"', "nan"]))
    lines[at] = f"{lines[at].partition('=')[0]}= {value}"
    path = tmp_path_factory.mktemp("c") / "checklist.toml"
    path.write_text("\n".join(lines))
    try:
        load_checklist(path)
    except ChecklistError as error:
        assert error.problems
        assert len(set(error.problems)) == len(error.problems)


# Overlays


def test_an_overlay_changes_targets_and_items_and_keeps_the_rest(write) -> None:  # type: ignore[no-untyped-def]
    write(SOUND)
    over = (
        'schema = 1\ntitle = "Practice"\nextends = "checklist.toml"\nrehearsal = true\n[targets]\ndb = "other.db"\n'
    )
    over += '[override.a]\nexpect = "1s"\n[override.g]\nfor = "5s"\n'
    loaded = load_checklist(write(over, "rehearsal.toml")).checklist
    assert (loaded.title, loaded.rehearsal, loaded.targets) == ("Practice", True, {"db": "other.db"})
    assert (loaded.items["a"].expect, loaded.items["a"].check) == ("1s", "x.y")
    assert (loaded.gates["g"].for_, loaded.gates["g"].when) == ("5s", "> 10%")


def test_problems_point_into_the_file_that_said_it(write) -> None:  # type: ignore[no-untyped-def]
    write(SOUND.replace('needs = ["a"]', 'needs = ["c"]'))
    over = """\
schema = 1
title = "Practice"
extends = "checklist.toml"
[override.a]
with = { path = "${nothing}" }
[override.zz]
expect = "1s"
[override.g]
ask = "x"
[override.b]
check = "no.such"
marks = "check"
pair = true
"""
    found = problems_of(write(over, "rehearsal.toml"), unknown_check)
    assert [(p.file, p.line) for p in found] == [
        ("checklist.toml", 24),
        ("rehearsal.toml", 5),
        ("rehearsal.toml", 6),
        ("rehearsal.toml", 9),
        ("rehearsal.toml", 11),
        ("rehearsal.toml", 13),
    ], "\n".join(map(str, found))


def test_an_overlay_cannot_take_the_second_person_from_the_point_of_no_return(write) -> None:  # type: ignore[no-untyped-def]
    write(SOUND.replace('check = "x.y"', 'check = "x.y"\npair = true\npoint_of_no_return = true'))
    over = 'schema = 1\ntitle = "P"\nextends = "checklist.toml"\n[override.a]\npair = false\n'
    (problem,) = problems_of(write(over, "rehearsal.toml"))
    assert "two people" in problem.message


def test_an_overlay_brings_no_phases_and_is_not_extended(write) -> None:  # type: ignore[no-untyped-def]
    write(SOUND)
    middle = 'schema = 1\ntitle = "M"\nextends = "checklist.toml"\n'
    write(middle, "middle.toml")
    phases = middle + '[[phase]]\nid = "q"\ntitle = "Q"\n'
    (problem,) = problems_of(write(phases, "phases.toml"))
    assert (problem.file, problem.line) == ("phases.toml", 4)
    assert "cannot bring" in problem.message
    found = problems_of(write(middle.replace("checklist", "middle"), "top.toml"))
    assert any("extends another file itself" in p.message for p in found)


# Places


def test_a_key_is_found_on_its_line_however_it_is_written() -> None:
    source = (
        b'a = 1\nb.c = 2\n"d e" = { f = [1,\n 2] }\n[g.h]\ni = 3\n[[j]]\nk = 4\n[[j]]\n[[j.l]]\nm = 5\n[j.n]\no = 6\n'
    )
    lines = locate(source)
    places: list[KeyPath] = [("a",), ("b", "c"), ("d e", "f", 1), ("g", "h", "i"), ("j", 0, "k"), ("j", 1)]
    places += [("j", 1, "l", 0, "m"), ("j", 1, "n", "o")]
    assert [lines[place] for place in places] == [1, 2, 4, 6, 8, 9, 11, 13]
    assert line_of(lines, ("j", 1, "l", 0, "absent")) == 10


# What is shipped


def test_the_shipped_checklist_is_sound_and_holds_every_line_of_the_migration() -> None:
    checklist = load_checklist(ROOT / "checklist.toml").checklist
    assert [phase.id for phase in checklist.phase] == [
        "pre", *(f"day-{n}" for n in range(1, 9)), "post-2h", "post-24h", "week", "rollback", "success", "sign-off"
    ]  # fmt: skip
    counts = [len(phase.items) for phase in checklist.phase]
    assert counts == [31, 6, 4, 2, 2, 3, 4, 9, 4, 4, 4, 4, 13, 8, 4]
    (push,) = [item for item in checklist.items.values() if item.point_of_no_return]
    assert push.pair
    # Not at the push: until the data is moved, errors are expected.
    assert checklist.gates["error-rate"].arm_at == "let-writes-in"
    for item in checklist.items.values():
        assert item.check or item.how, f"{item.id}: nobody says what to look at"
        if item.check == "items.passed":
            for name in item.with_["items"]:
                assert checklist.items[name].check, f"{item.id}: {name} has no check that could pass"


def test_the_schema_for_editors_is_current_and_named() -> None:
    assert (ROOT / "docs" / "checklist.schema.json").read_text(encoding="utf-8") == schema_text()
    first = (ROOT / "checklist.toml").read_text(encoding="utf-8").partition("\n")[0]
    assert first == "#:schema docs/checklist.schema.json"
