"""Outcomes as JUnit XML, for the CI systems that read it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from xml.etree import ElementTree as ET

from state.verdicts import Outcome, Verdict

Case = tuple[str, str, str, float, Outcome]  # phase, item, text, seconds, outcome


def junit_xml(cases: Sequence[Case]) -> str:
    """CASES as one document, a suite a phase. A warning is a failure, what nobody could see is an error."""
    root = ET.Element("testsuites", name="tminus")
    for phase, group in groupby(cases, key=lambda case: case[0]):
        rows = list(group)
        suite = ET.SubElement(root, "testsuite", name=phase, tests=str(len(rows)))
        for key, tag in (("failures", "failure"), ("errors", "error")):
            suite.set(key, str(sum(_tag(case[4].verdict) == tag for case in rows)))
        for _, item, text, seconds, outcome in rows:
            case = ET.SubElement(suite, "testcase", classname=phase, name=f"{item}: {text}", time=f"{seconds:.3f}")
            if tag := _tag(outcome.verdict):
                ET.SubElement(case, tag, type=str(outcome.verdict), message=outcome.actual).text = outcome.hint
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True)


def _tag(verdict: Verdict) -> str:
    if verdict is Verdict.PASS:
        return ""
    return "failure" if verdict in (Verdict.FAIL, Verdict.WARN) else "error"
