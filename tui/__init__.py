"""The cockpit: a screen on a run, a client of its engine and nothing else."""

from tui.launch import NoScreen, run_cockpit
from tui.settings import BadSettings, Settings

__all__ = ["BadSettings", "NoScreen", "Settings", "run_cockpit"]
