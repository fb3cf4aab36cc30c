"""`tminus code`: findings for people, scripts and editors, with exit codes that hold."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner

from tminus.cli.code import command

# The parts of the schema of SARIF 2.1.0 (OASIS) that a reader relies on.
SARIF = {
    "type": "object",
    "required": ["version", "runs", "$schema"],
    "properties": {
        "version": {"const": "2.1.0"},
        "runs": {
            "items": {
                "required": ["tool", "results"],
                "properties": {
                    "results": {
                        "items": {
                            "required": ["message", "ruleId", "locations"],
                            "properties": {
                                "level": {"enum": ["none", "note", "warning", "error"]},
                                "message": {"required": ["text"]},
                                "ruleIndex": {"type": "integer", "minimum": 0},
                            },
                        }
                    }
                },
            }
        },
    },
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "db.py").write_text("import sqlite3\n\nsqlite3.connect('app.db')\nQ = 'PRAGMA foreign_keys'\n")
    return tmp_path


def code(*words: object) -> tuple[int, str]:
    result = CliRunner().invoke(command, [str(word) for word in words])
    return result.exit_code, result.output


def test_findings_are_named_by_file_and_line_with_the_mend(project):
    status, said = code(project)
    assert status == 1
    assert "db.py:3: error: sqlite3.connect() opens SQLite [engine/sqlite-open]" in said
    assert "go by the engine's session" in said


def test_a_rule_or_a_subject_is_switched_off(project):
    assert code(project, "--off", "engine/sqlite-open", "--off", "sql/")[0] == 0
    status, said = code(project, "--off", "engine/sqlite-opne")
    assert status == 2
    assert "no rule" in said


def test_what_cannot_be_read_ends_with_3(tmp_path):
    assert code(tmp_path / "nowhere")[0] == 3
    assert code(tmp_path)[0] == 3
    assert code(tmp_path, "--env", "NAME")[0] == 2


def test_json_and_sarif_are_for_machines(project):
    status, said = code(project, "--format", "json")
    assert code(project, "--json") == code(project, "--json", "--format", "text") == (status, said)
    assert status == 1
    first = json.loads(said.partition("]\n")[0] + "]")[0]
    assert (first["file"], first["line"], first["rule"]) == ("db.py", 3, "engine/sqlite-open")
    said = code(project, "--format", "sarif")[1]
    document = json.loads(said)
    jsonschema.validate(document, SARIF)
    (run,) = document["runs"]
    rules = run["tool"]["driver"]["rules"]
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
    place = run["results"][0]["locations"][0]["physicalLocation"]
    assert (place["artifactLocation"]["uri"], place["region"]["startLine"]) == ("db.py", 3)
