"""The items on the pages fit their checks."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from checks.params import problems_of
from checks.registry import Registry
from state.targets import Targets

DOCS = Path(__file__).parents[3] / "docs"
KNOWN = {
    "render_token",
    "render_database",
    "render_service",
    "database_url",
    "render_staging",
    "notify",
    "s3_key",
    "s3_secret",
}


@pytest.mark.parametrize("page", ["render.md", "store.md"])
def test_every_item_of_the_page_fits_its_check(page):
    blocks = re.findall(r"```toml\n(.*?)```", (DOCS / page).read_text(), re.DOTALL)
    texts = re.findall(r'check = "(.+)"\nwith = (.+)', "\n".join(blocks))
    assert len(texts) == sum(block.count("[[phase.step.item]]") for block in blocks)
    for name, with_ in texts:
        spec = Registry.load().get(name)
        assert spec is not None, name
        filled = Targets(dict.fromkeys(KNOWN, "text")).fill(tomllib.loads(f"with = {with_}")["with"])
        assert list(problems_of(spec.params, filled)) == [], name
