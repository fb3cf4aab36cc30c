"""The output of a Monitoring Plugin: text, long text and performance data.

Source: Monitoring Plugins Development Guidelines, "Plugin Output for Nagios" and "Performance data":
`TEXT | 'label'=value[UOM];[warn];[crit];[min];[max]`, then lines of long text, then again perfdata after a "|".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

# A quoted label holds spaces and =; a quote inside it is doubled. A bare one ends at = or space. Each begins behind a
# space and has an end: a hostile line costs no more than its length.
_DATUM = re.compile(
    r"(?<!\S)(?:'(?P<quoted>(?:[^']|''){1,200})'|(?P<bare>[^\s'=]{1,200}))="
    r"(?P<value>-?\d+(?:[.,]\d+)?(?:[eE][+-]?\d+)?|U)(?P<unit>[^\s;\d]*)"
    r"(?P<rest>(?:;[^\s;]*){0,4})(?=\s|$)"
)
_REST = ("warn", "crit", "min", "max")


@dataclass(frozen=True, slots=True)
class PluginOutput:
    """`text` is the first line; `perfdata` maps a label to its value, and "label unit", "label warn"… to the rest."""

    text: str
    long_text: tuple[str, ...]
    perfdata: Mapping[str, str | float]


def parse_plugin_output(output: str) -> PluginOutput:
    """What a plugin printed, taken apart. A value of U (could not be determined) is kept as the text "U".

    >>> parse_plugin_output("OK - fine | 'a b'=1.5s;2;3;0 x=7%").perfdata
    {'a b': 1.5, 'a b unit': 's', 'a b warn': '2', 'a b crit': '3', 'a b min': '0', 'x': 7.0, 'x unit': '%'}
    """
    first, _, rest = output.strip().partition("\n")
    text, _, data = first.partition("|")
    long_text, _, more = rest.partition("|")
    lines = tuple(line for line in long_text.splitlines() if line.strip())
    return PluginOutput(text.strip(), lines, parse_perfdata(f"{data} {' '.join(more.splitlines())}"))


def parse_perfdata(text: str) -> dict[str, str | float]:
    """The data in TEXT; what does not follow the guideline is left out."""
    found: dict[str, str | float] = {}
    for match in _DATUM.finditer(text):
        label = (match["quoted"] or "").replace("''", "'") or match["bare"]
        found[label] = "U" if match["value"] == "U" else float(match["value"].replace(",", "."))
        if match["unit"]:
            found[f"{label} unit"] = match["unit"]
        for name, value in zip(_REST, match["rest"].split(";")[1:], strict=False):
            if value:
                found[f"{label} {name}"] = value
    return found
