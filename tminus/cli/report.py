"""`tminus report`: a record as a page for people."""

from __future__ import annotations

from pathlib import Path

import click

from tminus.cli.common import DOES_NOT_HOLD, UNUSABLE, end, read_past


@click.command(
    epilog="Example: tminus report deployments/2026-11-22-postgresql-migration.toml --format html -o report.html"
)
@click.argument("record", type=click.Path(path_type=Path))
@click.option("--format", "form", type=click.Choice(["md", "html"]), default="md", show_default=True)
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="A file. [default: stdout]")
def command(record: Path, form: str, output: Path | None) -> None:
    """Write the report of the run that RECORD keeps: verdict, people, what needs eyes, planned and actual times, the
    timeline, every item with its evidence, gates and decisions, metrics, the data, waivers and signatures.

    It is made of the record alone; the plots need the history of the metrics beside it. The HTML is one file without
    network, to be printed or sent. Exit 0; 1 when the record does not hold; 2 when it cannot be read.
    """
    from state.durable import write_atomically
    from state.record import RecordError
    from tminus.report.html import html
    from tminus.report.making import make
    from tminus.report.markdown import markdown

    try:
        run, events = read_past(record)
    except RecordError as error:
        end(DOES_NOT_HOLD, f"{error}\nSee: tminus record verify {record}")
    except OSError as error:
        end(UNUSABLE, f"{record.name}: {error.strerror}")
    report = make(run, events, record)
    text = markdown(report) if form == "md" else html(report)
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        write_atomically(output, text.encode())
    except OSError as error:
        end(UNUSABLE, f"{output}: {error.strerror}")
    click.echo(f"{output}: {len(text.encode()) / 1024:,.0f} KiB", err=True)
