""".env.example against the code that reads it: what is missing, what is given away, what is still SQLite."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checks.code.env_example import findings_of, settings_of
from checks.code.environment import CodeReading, read_project, variables_read
from checks.code.secrets import secret_in
from state.verdicts import Verdict

GOOD = "DATABASE_URL=postgresql://app:change-me@localhost:5432/app\nSECRET_KEY=change-me\n"
CODE = "import os\nURL = os.environ['DATABASE_URL']\nKEY = os.environ['SECRET_KEY']\n"


def reading(source: str) -> CodeReading:
    return CodeReading(variables_read(dedent(source), "app.py"), 1)


def rules(text: str, source: str = CODE, **others: object) -> set[str]:
    return {one.rule.removeprefix("env/") for one in findings_of(text, ".env.example", reading(source), **others)}  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("SECRET_KEY=change-me\n", "database-url"),
        ("DATABASE_URL=\nSECRET_KEY=\n", "database-url"),
        ("DATABASE_URL=sqlite:///instance/app.db\nSECRET_KEY=\n", "database-url"),
        ("DATABASE_URL=postgres://app:change-me@localhost/app\nSECRET_KEY=\n", "postgres-scheme"),
        ("DATABASE_URL=postgresql://app:f8Jq2kLw@db/app\nSECRET_KEY=\n", "secret"),
        (GOOD.replace("change-me\n", "9f8c7d6e5b4a39281706f5e4d3c2b1a0\n"), "secret"),
        (GOOD + "AWS=AKIAIOSFODNN7ABCDEFG\n", "secret"),
        ("DATABASE_URL=postgresql://localhost/app\n", "missing"),
        (GOOD + "SECRET_KEY=\n", "duplicate"),
        (GOOD + "just some words\n", "line"),
    ],
)
def test_each_rule_speaks_when_it_is_broken(text, rule):
    assert rules(text) == {rule}


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        "# DATABASE_URL=postgresql://app:app@localhost/app\nDATABASE_URL=sqlite:///x.db\n#SECRET_KEY=\n",
        "export DATABASE_URL='postgresql+psycopg2://u:<password>@h/d'  # remark\nSECRET_KEY=${SECRET}\n",
        "\ufeff# a remark = no variable\r\nDATABASE_URL=postgresql://localhost/app\r\nSECRET_KEY=dev-only\r\n",
    ],
)
def test_an_example_that_names_all_and_gives_nothing_away_is_fine(text):
    assert rules(text) == set()


def test_a_variable_with_a_default_is_a_warning_and_one_of_the_platform_is_none():
    source = (
        CODE + "A = os.getenv('LOG_LEVEL', 'info')\nB = os.environ['RENDER_GIT_COMMIT']\nC = os.environ['HOME']\n"
    )
    (one,) = findings_of(GOOD, ".env.example", reading(source))
    assert (one.rule, one.level) == ("env/missing-optional", "warning")
    assert "app.py:4" in one.message
    assert rules(GOOD, source, ignore=["LOG_LEVEL"]) == set()


def test_a_secret_of_the_real_file_is_found_wherever_it_stands_and_is_not_repeated():
    live = "MAIL_PASSWORD=tulip-canary\nDATABASE_URL=postgresql://app:canary-rose@db/app\nMODE=production\n"
    text = GOOD + "# my password is tulip-canary\n# MODE=production\nOTHER=http://x/?p=canary-rose\n"
    found = findings_of(text, ".env.example", reading(CODE), live=live)
    assert {(one.rule, one.line) for one in found} == {("env/live-value", 3), ("env/live-value", 5)}
    assert "canary" not in repr(found)
    assert rules(GOOD, live=GOOD) == set()  # placeholders may be the same in both


@pytest.mark.parametrize(
    ("source", "found"),
    [
        (
            "import os\nos.environ['A']; os.environ.get('B'); os.getenv('C'); os.environ.setdefault('D', '')",
            "A! B C D",
        ),
        ("from os import environ, getenv as get\nenviron['A']; environ.pop('B', None)", "A! B"),
        ("import os as o\nenv = o.environ\nenv['A']\n'B' in env", "A! B"),
        ("import os\nclass C:\n  def __init__(s):\n    s.e = os.environ\n  def f(s): return s.x", ""),
        ("import os\nNAME = 'A'\nos.environ[NAME]\nos.environ['x' + NAME]", "A!"),
        ("import os\ndef load(env, n=1):\n  return env['A'], env.get('B')\nload(os.environ)", "A! B"),
        ("import os\ndef load(*, e):\n  return e['A']\nload(e=os.environ)", "A!"),
        ("def load(env):\n  return env['A']\nload({})", ""),
        ("from environs import Env\nenv = Env()\nenv('A'); env.int('B', 1); env.str('C', default='')", "A! B C"),
        ("import environ\nenv = environ.Env()\nenv.db(); env.bool('DEBUG', default=False)", "DATABASE_URL! DEBUG"),
        ("from decouple import config\nconfig('A'); config('B', default=1, cast=int)", "A! B"),
        ("from starlette.config import Config\nconfig = Config('.env')\nconfig('A'); config('B', cast=int)", "A! B!"),
        ("def config(x): ...\nconfig('A')\nenv('B')", ""),
        (
            "from pydantic_settings import BaseSettings, SettingsConfigDict\nclass S(BaseSettings):\n"
            "  model_config = SettingsConfigDict(env_prefix='app_')\n  url: str\n  size: int = 5\n",
            "APP_URL! APP_SIZE",
        ),
        ("import os\nos.environ['A'] = '1'\ndel os.environ['B']", ""),
    ],
)
def test_variables_are_found_in_the_ways_they_are_read(source, found):
    reads = {f"{one.name}{'!' if one.required else ''}" for one in variables_read(source, "x.py")}
    assert reads == set(found.split())


def test_only_the_project_s_own_code_is_read(tmp_path):
    for name in (
        "app.py",
        "tests/test_a.py",
        ".venv/lib/x.py",
        "own/pyvenv.cfg",
        "own/x.py",
        "pkg/config.py",
        "pkg/bad.py",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"import os\nos.getenv('V{abs(hash(name))}')\n")
    (tmp_path / "pkg" / "bad.py").write_text("def (:\n")
    seen = read_project(tmp_path)
    assert {one.file for one in seen.reads} == {"app.py", "pkg/config.py"}
    assert [(name, line) for name, line, _ in seen.unreadable] == [("pkg/bad.py", 1)]


def test_values_are_read_as_dotenv_reads_them():
    text = "A=1 # one\nB='x # y'\nC=\"first\nsecond\"\n  export D = z \nE=\n#F=off\n# g = prose\nH=a#b\n"
    found, odd = settings_of(text)
    assert [(one.key, one.value, one.line, one.commented) for one in found] == [
        *(("A", "1", 1, False), ("B", "x # y", 2, False), ("C", "first\nsecond", 3, False), ("D", "z", 5, False)),
        *(("E", "", 6, False), ("F", "off", 7, True), ("H", "a#b", 9, False)),
    ]
    assert odd == ()


@given(st.text(max_size=200))
@settings(max_examples=100, deadline=None)
def test_any_text_is_read_without_a_crash(text):
    findings_of(text, ".env.example", CodeReading((), 1), live=text)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("K", "ghp_" + "a1B2" * 9),
        ("K", "sk_test_4eC39HqLyjWDarjtT1zdp7dc"),
        ("K", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N"),
        ("K", "-----BEGIN RSA PRIVATE KEY-----"),
        ("K", "redis://:f8Jq2kLw9@cache:6379"),
        ("SESSION_SECRET", "tulips-in-may"),
        ("OPENAI_API_KEY", "sk-proj-abcdEFGH1234ijklMNOP"),
        ("K", "Zk3vT9qLx2Wb7RmNc5Yh"),
    ],
)
def test_what_is_a_secret_is_seen(name, value):
    said = secret_in(name, value)
    assert said
    assert value not in said


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SECRET_KEY", "change-me"),
        ("SECRET_KEY", "your-secret-key-here"),
        ("API_KEY", "<your key>"),
        ("API_KEY", ""),
        ("STRIPE_KEY", "sk_test_xxxxxxxxxxxxxxxxxxxxxxxx"),
        ("DATABASE_URL", "postgresql://app:app@localhost/app"),
        ("DATABASE_URL", "postgresql://user:password@localhost/app"),
        ("TOKEN_TTL", "86400000"),
        ("JWT_SECRET_FILE", "/run/secrets/jwt-signing-key"),
        ("LOG_FORMAT", "combined-with-duration"),
        ("HOST", "dpg-d1abcdefgh-a.frankfurt-postgres.render.com"),
        ("ALLOWED", "https://example.org,https://www.example.org"),
        ("TOKEN_EXPIRE_MINUTES", "1440"),
        ("FEATURES", "sessions,votes,posts,replies"),
    ],
)
def test_what_is_no_secret_is_let_through(name, value):
    assert not secret_in(name, value)


def test_a_long_value_costs_no_more_than_its_length():
    for value in ("a" * 50_000 + "1", "a-" * 30_000 + "!", "=" + " " * 50_000 + "x", "ey" * 30_000):
        secret_in("K", value)
        settings_of(f"KEY={value}\n")


async def test_the_check_compares_the_example_with_the_code(look):
    (look.project / "app.py").write_text(CODE)
    (look.project / ".env.example").write_text(GOOD + "OLD=1\n")
    good = await look("code.env_example")
    assert good.verdict is Verdict.PASS
    assert good.evidence["never_read"] == "OLD"
    (look.project / ".env").write_text("SECRET_KEY=canary-in-may\n")
    (look.project / ".env.example").write_text(GOOD + "# canary-in-may\n")
    bad = await look("code.env_example")
    assert bad.verdict is Verdict.FAIL
    assert bad.actual.startswith(".env.example:3: ")
    assert "canary" not in repr(bad)
    (look.project / "app.py").write_text(CODE + "X = os.getenv('EXTRA', '')\n")
    off = {"off": ["env/live-value"]}
    assert (await look("code.env_example", off)).verdict is Verdict.WARN
    assert (await look("code.env_example", {**off, "ignore": ["EXTRA"]})).verdict is Verdict.PASS


async def test_without_an_example_or_without_code_it_is_not_known(look):
    assert (await look("code.env_example")).verdict is Verdict.UNKNOWN
    (look.project / ".env.example").write_text(GOOD)
    assert (await look("code.env_example")).verdict is Verdict.UNKNOWN
    (look.project / ".env.example").write_bytes(b"\xff\xfe")
    assert (await look("code.env_example")).verdict is Verdict.ERROR


def test_the_example_of_the_sample_application_names_what_its_code_needs():
    app = Path(__file__).parents[2] / "rehearsal" / "app"
    found = findings_of((app / ".env.example").read_text(), ".env.example", read_project(app))
    assert found == ()
