"""The rehearsal's checklist: the shipped one, the overlay, and the targets of the stage that was set."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from pathlib import Path

import tomli_w

from state.definition import Target
from state.durable import write_atomically


def shipped(name: str) -> str:
    """A file that comes with tminus: checklist.toml, journeys.toml.

    In an installed package it lies among its data, in a source tree at the top. Raises FileNotFoundError.
    """
    packaged = resources.files("tminus").joinpath("data", name)
    if packaged.is_file():
        return packaged.read_text(encoding="utf-8")
    return (Path(__file__).resolve().parents[2] / name).read_text(encoding="utf-8")


def write_checklist(folder: Path, targets: Mapping[str, Target], *, alone: bool = True) -> Path:
    """Write the rehearsal's checklist for the stage in FOLDER, and what it extends. Returns its path.

    Flown ALONE, by one person or nobody at all, it waits for no second one, and the record says so.
    """
    overlay = resources.files("tminus.practice").joinpath("overlay.toml").read_text(encoding="utf-8")
    write_atomically(folder / "base.toml", shipped("checklist.toml").encode())
    write_atomically(folder / "journeys.toml", shipped("journeys.toml").encode())
    path = folder / "checklist.toml"
    text = tomli_w.dumps({"alone": alone}) + overlay + tomli_w.dumps({"targets": dict(targets)})
    write_atomically(path, text.encode())
    return path
