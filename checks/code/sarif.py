"""Findings as SARIF 2.1.0, for editors and CI (OASIS, Static Analysis Results Interchange Format)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from checks.code.finding import Finding, Rule

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def sarif(findings: Sequence[Finding], rules: Sequence[Rule], version: str) -> dict[str, Any]:
    """One run of FINDINGS, with RULES and their help. Places are relative to SRCROOT, the project's folder."""
    index = {rule.id: number for number, rule in enumerate(rules)}
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": {"name": "tminus", "version": version, "rules": [_rule(rule) for rule in rules]}},
                "columnKind": "unicodeCodePoints",
                "results": [_result(one, index) for one in findings],
            }
        ],
    }


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": rule.why},
        "help": {"text": rule.why},
        "defaultConfiguration": {"level": rule.level},
    }


def _result(one: Finding, index: dict[str, int]) -> dict[str, Any]:
    place: dict[str, Any] = {"artifactLocation": {"uri": quote(one.file), "uriBaseId": "SRCROOT"}}
    if one.line:
        place["region"] = {"startLine": one.line}
    known = {"ruleIndex": index[one.rule]} if one.rule in index else {}
    message = f"{one.message}: {one.mend}" if one.mend else one.message
    return {
        "ruleId": one.rule, **known, "level": one.level, "message": {"text": message},
        "locations": [{"physicalLocation": place}],
    }  # fmt: skip
