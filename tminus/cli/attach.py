"""`tminus attach`: how a second person looks on."""

from __future__ import annotations

import click


@click.command()
def command() -> None:
    """x"""
