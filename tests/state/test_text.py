"""At the border: no escape sequence gets through, no secret gets out; durations mean what they say."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from state.clean import clean, shorten
from state.durations import format_duration, parse_duration
from state.redact import MASK, Redactor
from state.verdicts import EVIDENCE_CHARS, Outcome, Verdict, worst

anything = st.text(st.characters(), max_size=60)
hostile = st.lists(
    st.sampled_from(["\x1b[31m", "\x1b]0;t\x07", "\x9b2J", "\u202e", "\x1b", "\x07", "\u2028", "\u00a0", "\x00", "a"])
).map("".join)


@given(anything | hostile)
def test_cleaned_text_is_printable_and_cleaning_it_again_changes_nothing(text: str) -> None:
    once = clean(text)
    assert once.isprintable()
    assert clean(once) == once


@given(anything | hostile)
def test_what_is_kept_is_the_only_thing_not_printable(text: str) -> None:
    assert all(line.isprintable() for line in clean(text, keep="\n").split("\n"))


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("a\x1b[1;31mb\x1b[0m", "ab"),
        ("a\x1b]8;;http://x\x1b\\b", "ab"),
        ("a\x9b31mb", "ab"),
        ("a\x1bPq#0\x1b\\b", "ab"),
        ("a\rb\nc", "a b c"),
        ("a\u202eb\u200bc", "abc"),
    ],
)
def test_escape_sequences_go_whole(text: str, left: str) -> None:
    assert clean(text) == left


@given(anything, st.integers(20, 80))
def test_shortened_text_says_how_much_is_missing(text: str, limit: int) -> None:
    short = shorten(text * 3, limit)
    assert len(short) <= limit + 8
    assert short == text * 3 or "characters)" in short


CANARY = "c4n4ry-Pa55"


@pytest.mark.parametrize(
    "text",
    [
        f"postgresql://app:{CANARY}@db:5432/app",
        f"could not connect to postgresql+psycopg2://app:{CANARY}@db/app?sslmode=require",
        f"postgresql://app:{CANARY}/with@signs@db/app",
        f"https://{CANARY}@github.com/a/b.git",
        f"host=db user=app password={CANARY} dbname=app",
        f"password='{CANARY}'",
        f'{{"password": "{CANARY} and more {CANARY}"}}',
        f"PGPASSWORD={CANARY}",
        f"SECRET_KEY = '{CANARY}'",
        f"AWS_SECRET_ACCESS_KEY={CANARY}",
        f"Authorization: Bearer {CANARY}",
        f"authorization: Basic {CANARY}==",
        f"Cookie: session={CANARY}; theme=dark".replace("; theme=dark", ""),
        f"api_key={CANARY}&page=2",
        f"X-Api-Key: {CANARY}",
        f"GET /?token={CANARY}",
        f"postgresql://app:{CANARY}… (+33 characters)",
    ],
)
def test_what_is_shaped_like_a_secret_is_masked_without_being_known(text: str) -> None:
    masked = Redactor()(text)
    assert CANARY not in masked
    assert MASK in masked


@pytest.mark.parametrize(
    "text", ["password_reset_tokens: 6000 rows", "http://localhost:8080/x", "12 of 15 tokens", "T+10m"]
)
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert Redactor()(text) == text


@pytest.mark.parametrize(
    "known",
    [
        f"postgresql://app:{CANARY}@db/app",
        f"postgresql://db/app?user=a&password={CANARY}",
        f"host=db password={CANARY}",
    ],
)
def test_the_password_inside_a_known_connection_string_is_known_alone(known: str) -> None:
    assert CANARY not in Redactor.knowing([known])(f"FATAL: {CANARY} was refused")


def test_a_known_secret_is_masked_where_it_is_url_encoded() -> None:
    redact = Redactor.knowing(["p@ss w/rd+1"])
    assert "ss" not in redact("a p%40ss%20w%2Frd%2B1 b p%40ss+w%2Frd%2B1 c").replace(MASK, "")


@given(st.integers(0, 60))
def test_a_secret_that_was_cut_in_its_middle_leaves_no_beginning(before: int) -> None:
    text = "x" * (EVIDENCE_CHARS - 70 + before) + " " + CANARY + "y" * 200
    said = Redactor.knowing([CANARY])(Outcome.of(Verdict.PASS, text).actual)
    assert CANARY[:4] not in said


def test_everything_inside_a_tree_is_redacted() -> None:
    tree = Redactor.knowing([CANARY]).tree({CANARY: [f"a {CANARY}", {"b": (CANARY,)}], "n": 3})
    assert CANARY not in repr(tree)
    assert tree["n"] == 3  # type: ignore[index]


@pytest.mark.parametrize("text", ["a" * 40_000, "a." * 20_000, "https://" * 6_000, "password" * 6_000, "x=" * 20_000])
def test_a_hostile_line_costs_no_more_than_its_length(text: str) -> None:
    started = time.process_time()
    Redactor()(text)
    assert time.process_time() - started < 2.0


@given(st.floats(0.01, 1e7))
def test_durations_come_back_within_their_two_units(seconds: float) -> None:
    back = parse_duration(format_duration(seconds))
    assert back == pytest.approx(seconds, rel=0.05, abs=0.51)


@pytest.mark.parametrize("text", ["", "5", "5 m", "m", "-5m", "5m!", "1.m", "5M"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        parse_duration(text)


def test_nothing_seen_is_unknown() -> None:
    assert worst([]) is Verdict.UNKNOWN


@given(st.lists(st.sampled_from(Verdict), min_size=1))
def test_one_that_is_not_a_pass_spoils_all(verdicts: list[Verdict]) -> None:
    assert (worst(verdicts) is Verdict.PASS) == all(v is Verdict.PASS for v in verdicts)
