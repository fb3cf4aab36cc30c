"""The engine that owns a run, its client and the command line. Plugins import the check contract from here.

Everything is loaded on first use, so that `import tminus` costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tminus.version import __version__

if TYPE_CHECKING:
    from checks.contract import Completed, Context, Plan, Seconds, check
    from state.verdicts import Outcome, Verdict

_EXPORTS = {
    "Completed": "checks.contract",
    "Context": "checks.contract",
    "Plan": "checks.contract",
    "Seconds": "checks.contract",
    "check": "checks.contract",
    "Outcome": "state.verdicts",
    "Verdict": "state.verdicts",
}

__all__ = ["Completed", "Context", "Outcome", "Plan", "Seconds", "Verdict", "__version__", "check"]


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(f"module 'tminus' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_EXPORTS[name]), name)
