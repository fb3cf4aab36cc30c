"""The client of an engine: what every screen and every command is built on. It draws nothing."""

from tminus.client.connection import Client, EngineGone, NotKnown, NotUnderstood, OtherVersion, Refused, TurnedAway
from tminus.client.messages import *  # noqa: F403 (the messages are this package's vocabulary)
from tminus.client.people import *  # noqa: F403 (the same)
from tminus.client.requests import *  # noqa: F403 (the same)
from tminus.client.view import merge

__all__ = ["Client", "EngineGone", "NotKnown", "NotUnderstood", "OtherVersion", "Refused", "TurnedAway", "merge"]
