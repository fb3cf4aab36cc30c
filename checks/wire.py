"""What a worker process and its parent say to each other: one request, then JSON lines."""

from __future__ import annotations

from typing import Any

import msgspec

from state.verdicts import Outcome


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What to look at. Comes over standard input: no secret stands in argv. `deadline` in seconds from now."""

    check: str
    plugins: list[str]
    base: str
    given: dict[str, Any]
    filled: dict[str, Any]
    item: str
    project: str
    artefacts: str
    answer: str | None
    evidence: dict[str, Outcome]
    transfer: dict[str, Any]
    deadline: float
    pythonpath: str | None


class Said(msgspec.Struct, frozen=True, tag="log"):
    """A log line."""

    line: str


class Advanced(msgspec.Struct, frozen=True, tag="progress"):
    """Progress."""

    done: float
    total: float
    unit: str
    what: str


class Answered(msgspec.Struct, frozen=True, tag="outcome"):
    """The outcome: the last word."""

    outcome: Outcome


class Crashed(msgspec.Struct, frozen=True, tag="crash"):
    """It raised: the cause in one line, and the whole traceback for the log."""

    cause: str
    trace: str


Message = Said | Advanced | Answered | Crashed

CANCEL = b"cancel\n"
encode = msgspec.json.Encoder().encode
read_request = msgspec.json.Decoder(Request).decode
read_message: msgspec.json.Decoder[Message] = msgspec.json.Decoder(Message)
