"""A run of an hour to play back, and the cockpit's helpers."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tui"))
sys.path.insert(0, str(Path(__file__).parent))

from flown import flown

__all__ = ["flown"]
