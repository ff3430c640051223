"""`fourones-aggregation rebuild`: the figures made anew from the log, while the system runs."""

from __future__ import annotations

from dataclasses import asdict

import orjson
import typer

from fourones_aggregation import bootstrap
from fourones_aggregation.commands.ending import ending_well, telling
from fourones_shared.settings import ServiceSettings


def rebuild(settings: ServiceSettings, *, partial: bool) -> None:
    """Rebuild, telling the progress as log lines and the outcome as one line of JSON.

    Raises:
        typer.Exit: with 1 when it could not be done; nothing has changed then.
    """
    with ending_well(), bootstrap.rebuild(settings, telling()) as work:
        rebuilt = work.run(partial=partial)
    typer.echo(orjson.dumps(asdict(rebuilt)).decode())
