"""What the pages say is so: their examples load, and their commands answer what they promise."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from state.events import Event
from state.loader import load_checklist
from state.record_file import RecordFile

DOCS = Path(__file__).parents[2] / "docs"


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL)


def test_the_examples_of_the_checklist_page_make_one_sound_checklist(tmp_path: Path) -> None:
    _, least, targets, item, gate, rest, overlay = blocks("checklist.md", "toml")
    named = "".join(
        f'\n    [[phase.step.item]]\n    id = "{name}"\n    text = "x"\n'
        for name in ("final-backup", "push", "stand-down", "watch-errors")
    )
    plugins, roles = rest.split("\n\n", 1)
    path = tmp_path / "checklist.toml"
    first, _, phases = least.partition("\n[[phase]]")
    path.write_text("\n".join([first, plugins, targets, gate, roles, "[[phase]]" + phases, item, named]))
    assert load_checklist(path).checklist.items["count-users"].ask
    over = tmp_path / "rehearsal.toml"
    over.write_text(overlay)
    assert load_checklist(over).checklist.gates["error-rate"].for_ == "20s"


@pytest.fixture
def recorded(record_path: Path, small_run: list[Event]) -> Path:
    record = RecordFile(record_path)
    for one in small_run:
        record.append(one)
    record.close()
    return record_path


def test_the_python_example_of_the_record_page_reads_a_record(
    recorded: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (example,) = blocks("record.md", "python")
    (name,) = re.findall(r'Path\("(.*?)"\)', example)
    exec(example.replace(name, str(recorded)), {})
    assert capsys.readouterr().out.startswith("4 events; open; last at 2026-11-22")


def test_the_shell_example_of_the_record_page_gives_the_seal(recorded: Path) -> None:
    (example,) = (block for block in blocks("record.md", "sh") if "sha256sum" in block)
    ran = subprocess.run(
        ["sh", "-c", example.replace("RECORD.toml", str(recorded))], capture_output=True, text=True, check=True
    )
    assert recorded.read_text().splitlines()[-1] == f'sha256 = "{ran.stdout.split()[0]}"'
