"""`tminus replay`: a run of the past in the cockpit, or as text."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tminus.cli.common import UNUSABLE, checklist_option, end

if TYPE_CHECKING:
    from tminus.replay.tape import Tape


@click.command(epilog="Example: tminus replay deployments/2026-11-22-postgresql-migration.toml --print")
@click.argument("record", type=click.Path(path_type=Path))
@checklist_option
@click.option("--speed", type=click.FloatRange(min=0.1, max=10_000), default=60.0, show_default=True,
              help="How many seconds of the run pass in one.")  # fmt: skip
@click.option("--at", "where", default="", help="Begin there: T+10m, 2026-11-22T22:10:00Z, or an event's number.")
@click.option("--print", "as_text", is_flag=True, help="Print the run event by event, and open no screen.")
def command(record: Path, checklist: Path, speed: float, where: str, as_text: bool) -> None:
    """Play the run that RECORD keeps back in the cockpit, with its metrics when they lie beside it.

    space plays and pauses, + and - change the speed, [ and ] go from event to event, { and } to the next pause
    point, trip, hold or failure, 0 and $ to the ends. Nothing can be done to it. The checklist is the one of the
    project; name another with -C when the run had another. Exit 0, or 2 when the record cannot be believed.
    """
    from metrics.history import HistoryError
    from tminus.replay.deck import Deck
    from tminus.replay.load import Unplayable, deck_at, load_tape
    from tminus.replay.player import playing

    try:
        tape, history = load_tape(record, checklist)
        deck = Deck.of(tape, speed)
        deck = deck_at(deck, where) if where else deck
    except (Unplayable, ValueError) as error:
        end(UNUSABLE, str(error))
    if as_text:
        try:
            _print(tape, history)
        except HistoryError as error:
            end(UNUSABLE, str(error))
        return
    from tminus.cli.cockpit import open_cockpit

    with playing(deck, history) as socket:
        sys.exit(open_cockpit(socket, name="", read_only=False))


def _print(tape: Tape, history: Path | None) -> None:
    from contextlib import nullcontext

    from metrics.history import Recording
    from tminus.replay.timeline import timeline

    with Recording(history) if history else nullcontext() as recording:
        for line in timeline(tape, recording):
            click.echo(line)
