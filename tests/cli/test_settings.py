"""A person's own settings."""

from __future__ import annotations

import pytest

from state.problems import ChecklistError
from tminus.cli.common import Stop, your_name
from tminus.settings import read_settings, settings_path


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    settings_path().parent.mkdir()
    return settings_path()


def test_without_a_file_everything_is_as_it_comes(tmp_path) -> None:
    assert read_settings(tmp_path / "none.toml").name == ""


def test_a_name_and_the_look_of_the_cockpit(config) -> None:
    config.write_text('name = "Anna"\n[cockpit]\ntheme = "light"\n')
    assert read_settings(config).cockpit == {"theme": "light"}
    assert your_name("") == "Anna"
    assert your_name("Bert") == "Bert"


@pytest.mark.parametrize("text", ['nam = "x"\n', "name = 3\n", "name = \n", "cockpit = 1\n"])
def test_a_mistake_is_named_with_its_file(config, text) -> None:
    config.write_text(text)
    with pytest.raises(ChecklistError, match=r"config\.toml"):
        read_settings(config)
    with pytest.raises(Stop) as stopped:
        your_name("")
    assert stopped.value.exit_code == 2
