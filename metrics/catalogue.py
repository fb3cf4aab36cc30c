"""The page of the live sources, made from what they say: `python -m metrics.catalogue > docs/metrics.md`."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from metrics.config import KINDS

_HEAD = """\
# The live metrics

Made by `python -m metrics.catalogue` from the sources themselves.

A source is a table `[metrics.NAME]` of the checklist. Each is looked at in a task of its own, at its own
interval, with a deadline of its own: one that hangs delays no other. What it cannot see is no data, with the
reason beside it, and never a zero. A second source of a kind has a name of its own and says which it is; its
metrics then begin with that name:

```toml
[metrics.worker]
source = "log"
path = "logs/worker.log"
```

Gates and checks name metrics, as in `metric = "http.error_rate"`. Those marked * are on the screen by themselves, the
others as soon as a gate names them. `metrics.preflight` backs an item that says whether every source answers,
`metrics.baseline` one that captures what was normal before, `metrics.within` one that holds metrics against a limit
and their baseline (docs/checks.md). Every sample goes to a file beside the record, `RECORD.metrics.db`, and is kept
for eight days.
"""


def catalogue() -> str:
    """The whole page."""
    return "\n".join([_HEAD, *(section(kind, import_module(f"metrics.sources.{kind}")) for kind in KINDS)])


def section(kind: str, module: ModuleType) -> str:
    """What the source KIND says of itself."""
    lines = [f"## {kind}", "", _prose(module.__doc__ or ""), "", "| key | meaning |", "| --- | --- |"]
    lines += [f"| `{key}` | {_cell(meaning)} |" for key, meaning in module.KEYS.items()]
    if not module.METRICS:
        return "\n".join([*lines, "", "Its metrics are what its table names.", ""])
    lines += ["", "| metric | unit | what it is |", "| --- | --- | --- |"]
    for name, metric in module.METRICS.items():
        star = " *" if metric.headline else ""
        lines.append(f"| `{name}`{star} | {metric.unit} | {_cell(metric.about)} |")
    return "\n".join([*lines, ""])


def _prose(doc: str) -> str:
    """DOC without its indented parts, which are for whoever reads the code."""
    return "\n\n".join(part for part in doc.strip().split("\n\n") if not part.startswith("    "))


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    print(catalogue(), end="")
