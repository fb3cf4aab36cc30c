"""Journeys: what a visitor does, step by step, as a file declares it, and what must come back."""

from __future__ import annotations

from checks.journeys.model import JourneyError, Route, Step, fill
from checks.journeys.reading import file_problems, load_journey

__all__ = ["JourneyError", "Route", "Step", "file_problems", "fill", "load_journey"]
