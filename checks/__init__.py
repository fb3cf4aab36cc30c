"""The check contract, and the checks that are built in. The registry and the runner are modules of their own."""

from checks.contract import Completed, Context, Plan, Progress, Seconds, Stopped, check
from state.verdicts import Outcome, Verdict

__all__ = ["Completed", "Context", "Outcome", "Plan", "Progress", "Seconds", "Stopped", "Verdict", "check"]
