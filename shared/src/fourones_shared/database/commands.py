"""`migrate`, which every service has."""

from __future__ import annotations

from typing import Annotated

import typer

from fourones_shared.database.releases import bring_up, wait_until_fit
from fourones_shared.errors import Retry

CheckOnly = Annotated[
    bool, typer.Option("--check", help="change nothing: end well once the database is not behind this release")
]
Wait = Annotated[float, typer.Option("--wait", min=0, help="seconds to wait for the database, or for its migration")]


def migrate_or_check(package: str, url: str, *, check: bool, wait_s: float) -> str | None:
    """Migrate and return the revision; or only check, and return None.

    Raises:
        typer.Exit: 1 when the time was up.
    """
    try:
        if not check:
            return bring_up(package, url, wait_s=wait_s)
        wait_until_fit(package, url, wait_s=wait_s)
    except Retry as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    return None
