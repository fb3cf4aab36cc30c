"""What a project's folder says of itself: read, never run, and no secret among it."""

from tminus.survey.database import Migrations
from tminus.survey.found import Found
from tminus.survey.project import Survey, survey

__all__ = ["Found", "Migrations", "Survey", "survey"]
