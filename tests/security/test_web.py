"""A server that answers with malice: hostile text, bombs, drips, and redirects that fish for credentials."""

from __future__ import annotations

import time
from pathlib import Path

import httpx
import msgspec
import pytest
from evil_server import BOMB, evil_server
from hostile import PAYLOADS, harms, storable

from checks.rates import _fetched
from metrics.sources import SourceError
from metrics.sources.fetching import Remote
from state.verdicts import Outcome, Verdict
from tminus.survey.blueprint import blueprint

JOURNEY = """
[journey.j]
[[journey.j.step]]
name = "go"
path = "/{path}"
headers = {{ Authorization = "Bearer c4n4ry-journey-token" }}
{more}
"""


def plain(outcome: Outcome, lines: list[str]) -> None:
    """OUTCOME and all that was said on its way hold nothing that a terminal acts on."""
    assert harms(msgspec.json.encode(outcome)) == []
    assert all(line.isprintable() for line in lines), lines


@pytest.mark.parametrize("what", ["text", "status", "json", "deep", "brotli", "nested", "gzip", "hostile", "file"])
async def test_no_answer_is_more_than_plain_text(look, evil, what: str) -> None:
    port, _ = evil
    base = f"http://127.0.0.1:{port}"
    seen = await look("http.health", {"url": f"{base}/{what}", "expect": {"ok": True}})
    assert seen.verdict is Verdict.FAIL and "crashed" not in seen.actual, seen
    plain(seen, look.lines)
    (look.project / "j.toml").write_text(JOURNEY.format(path=what, more="expect = { status = 204 }"))
    walked = await look("http.journey", {"base_url": base, "file": "j.toml", "name": "j"})
    assert walked.verdict in (Verdict.FAIL, Verdict.ERROR) and "crashed" not in walked.actual, walked
    plain(walked, look.lines)


@pytest.mark.parametrize("what", ["json", "deep", "gzip", "file"])
async def test_no_answer_of_the_host_is_more_than_plain_text(look, evil, what: str) -> None:
    given = {
        "service": "srv-1",
        "token": "rnd_x",
        "commit": "a" * 40,
        "api_url": f"http://127.0.0.1:{evil[0]}/{what}",
    }
    asked = await look("deploy.follow", given)
    assert not asked.verdict.is_known and "crashed" not in asked.actual, asked
    plain(asked, look.lines)


@pytest.mark.parametrize("what", ["brotli", "nested"])
async def test_what_nobody_asked_for_is_not_unpacked(look, evil, what: str) -> None:
    port, heard = evil
    seen = await look("http.health", {"url": f"http://127.0.0.1:{port}/{what}"})
    assert "compressed in a way that was not asked for" in seen.actual
    assert heard[-1]["Accept-Encoding"] == "gzip"
    with pytest.raises(httpx.DecodingError):
        _fetched(f"http://127.0.0.1:{port}/{what}", {}, {}, 5.0)
    remote = Remote("it", f"http://127.0.0.1:{port}/{what}", timeout=5.0)
    await remote.start()
    with pytest.raises(SourceError, match="compressed in a way that was not asked for"):
        await remote.ask()
    await remote.stop()


async def test_of_a_bomb_no_more_is_read_than_is_looked_at(evil) -> None:
    port, _ = evil
    remote = Remote("it", f"http://127.0.0.1:{port}/gzip", timeout=5.0)
    await remote.start()
    with pytest.raises(SourceError, match="over 8388608 bytes"):
        await remote.ask()
    await remote.stop()
    assert BOMB > 8388608


async def test_an_answer_that_drips_ends_with_the_patience_for_it(look, evil) -> None:
    port, _ = evil
    began = time.monotonic()
    seen = await look("http.health", {"url": f"http://127.0.0.1:{port}/drip", "at_most": "100ms"})
    assert seen.verdict is Verdict.FAIL and "no answer in time" in seen.actual
    with pytest.raises(httpx.ReadTimeout):
        _fetched(f"http://127.0.0.1:{port}/drip", {}, {}, 0.2)
    assert time.monotonic() - began < 8  # of the ten seconds that it drips


async def test_no_credential_follows_a_redirect_to_another_host(look, evil) -> None:
    port, _ = evil
    with evil_server() as (elsewhere, heard):
        base = f"http://127.0.0.1:{port}"
        (look.project / "j.toml").write_text(JOURNEY.format(path=f"to/{elsewhere}", more=""))
        await look(
            "http.journey", {"base_url": f"http://me:c4n4ry-pass@127.0.0.1:{port}", "file": "j.toml", "name": "j"}
        )
        assert heard  # it was followed
        for address in (f"{base}/to/{elsewhere}", f"http://me:c4n4ry-pass@127.0.0.1:{port}/to/{elsewhere}"):
            remote = Remote("it", address, token="" if "@" in address else "c4n4ry-token", timeout=5.0)
            await remote.start()
            with pytest.raises(SourceError, match="redirects"):
                await remote.ask()
            await remote.stop()
        given = {
            "service": "srv-1",
            "token": "c4n4ry-render",
            "commit": "a" * 40,
            "api_url": f"{base}/to/{elsewhere}",
        }
        await look("deploy.follow", given)
        await look("http.health", {"url": f"http://me:c4n4ry-pass@127.0.0.1:{port}/to/{elsewhere}"})
        assert not [one for one in heard if {"Authorization", "Cookie"} & one.keys()]


async def test_a_redirect_to_a_file_is_not_followed(look, evil) -> None:
    port, _ = evil
    (look.project / "j.toml").write_text(JOURNEY.format(path="file", more=""))
    seen = await look("http.journey", {"base_url": f"http://127.0.0.1:{port}", "file": "j.toml", "name": "j"})
    assert "a redirect to file:, which is no web page" in seen.actual
    assert "root:" not in str(seen)


LAUGHS = "a0: &a0 {x: 1, y: 2}\n" + "".join(
    f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}\n" for n in range(1, 12)
)
YAML = {
    "laughs by merging": LAUGHS + "services: []\n",
    "laughs by lists": "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)),
    "nested": "services: " + "[" * 20_000,
    "itself": "services: &a [*a]\n",
    "no date": "services: [{type: web, name: 2001-99-99}]\n",
    "a long number": "services: [{type: web, name: " + "9" * 10_000 + "}]\n",
    "an object": "services: !!python/object/apply:os.system ['touch hacked']\n",
    "a list": "- x\n",
    "a key that is a list": "? [a]\n: b\n",
    "hostile": "services:\n" + "".join(f"- {{type: web, name: {storable(p)!r}}}\n" for p in PAYLOADS.values()),
}  # fmt: skip


@pytest.mark.parametrize("bomb", YAML)
async def test_a_blueprint_costs_no_more_than_it_is_worth(look, tmp_path: Path, bomb: str) -> None:
    began = time.process_time()
    for folder in (tmp_path, look.project):
        (folder / "render.yaml").write_text(YAML[bomb])
    found = blueprint(tmp_path)
    assert found is not None
    assert all(one.value.isprintable() for one in found.web)
    if bomb != "nested":  # a second of recursion each time
        seen = await look("code.blueprint", {})
        assert "crashed" not in seen.actual, seen
        plain(seen, look.lines)
    assert time.process_time() - began < 10  # and not for ever
    assert not (Path.cwd() / "hacked").exists()
