"""`fourones-alerting notices` and `alertmanager-config`: what operators do about telling."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from fourones_shared.catalogue.model import Catalogue

notices = typer.Typer(no_args_is_help=True, help="Look at the ledger of notices; send again or discard what is stuck.")

_Numbers = Annotated[list[int], typer.Argument(help="their numbers, as `list` shows them", metavar="NUMBER…")]


class Shown(StrEnum):
    """What `list` shows."""

    WAITING = "waiting"
    SENDING = "sending"
    SENT = "sent"
    GIVEN_UP = "given_up"
    DROPPED = "dropped"
    ALL = "all"


@notices.command("list")
def show(
    state: Annotated[Shown, typer.Option(help="in this state only")] = Shown.ALL,
    channel: Annotated[str | None, typer.Option(help="of this channel only, such as gxj/mail")] = None,
    limit: Annotated[int, typer.Option(min=1, help="the newest so many")] = 50,
) -> None:
    """Show notices, the newest first: number, channel, state, attempts, title, and why it was not sent."""
    from sqlalchemy import text  # noqa: PLC0415

    with _ledger() as connection:
        rows = connection.execute(
            text(
                "SELECT * FROM notice WHERE (:state = 'all' OR state = :state)"
                " AND (CAST(:channel AS text) IS NULL OR channel = :channel) ORDER BY number DESC LIMIT :limit"
            ),
            {"state": state.value, "channel": channel, "limit": limit},
        ).all()
    for row in rows:
        why = f"  ({row.reason})" if row.reason else ""
        typer.echo(
            f"{row.number:>8}  {row.made_at:%Y-%m-%d %H:%M}  {row.channel:<24} {row.state:<9} {row.attempts:>3}  "
            f"{row.title}{why}"
        )
    if not rows:
        typer.echo("none", err=True)


@notices.command()
def retry(numbers: _Numbers) -> None:
    """Try notices that were given up for three days more, with their numbers; ends with 1 when one was not."""
    from fourones_alerting.notifying.notices import again  # noqa: PLC0415
    from fourones_shared.domain.clock import SystemClock  # noqa: PLC0415

    with _ledger() as connection:
        done = {number: again(connection, number, SystemClock().now()) for number in numbers}
    _report(done, "is tried again", "was not given up by itself")


@notices.command()
def discard(numbers: _Numbers, reason: Annotated[str, typer.Option("--reason", help="why, for the record")]) -> None:
    """Never send notices that wait or were given up; their rows stay. Ends with 1 when one was neither."""
    from fourones_alerting.notifying import notices as ledger  # noqa: PLC0415
    from fourones_shared.domain.clock import SystemClock  # noqa: PLC0415

    with _ledger() as connection:
        done = {number: ledger.discard(connection, number, SystemClock().now(), reason) for number in numbers}
    _report(done, "is discarded", "neither waits nor was given up by itself")


def alertmanager_config(  # noqa: PLR0917 - options, given by name
    webhook: Annotated[str, typer.Option(help="address of POST /v1/alertmanager, as Alertmanager reaches it")],
    token_file: Annotated[str, typer.Option(help="file with FOURONES_ALERTMANAGER_TOKEN, as Alertmanager finds it")],
    catalogue: Annotated[
        Path | None, typer.Option(help="folder of the catalogue; without it the one in force in the database")
    ] = None,
    mail_to: Annotated[str | None, typer.Option(help="mailboxes of the operators, for Alertmanager itself")] = None,
    smarthost: Annotated[str | None, typer.Option(help="host:port of the mail server")] = None,
    mail_from: Annotated[str | None, typer.Option(help="sender of those mails")] = None,
    mail_user: Annotated[str | None, typer.Option(help="user at the mail server")] = None,
    mail_password_file: Annotated[str | None, typer.Option(help="file with that user's password")] = None,
    direct_webhook_file: Annotated[
        str | None, typer.Option(help="file with the address of a webhook of the operators, for Alertmanager itself")
    ] = None,
    *,
    mail_tls: Annotated[bool, typer.Option(help="whether the mail server must speak TLS")] = True,
) -> None:
    """Print Alertmanager's configuration for the departments of the catalogue; it holds no secret."""
    from fourones_alerting.notifying.routing import Mail, configuration  # noqa: PLC0415

    mail = None
    if mail_to is not None:
        if smarthost is None or mail_from is None:
            raise typer.BadParameter("--mail-to wants --smarthost and --mail-from", param_hint="--mail-to")
        mail = Mail(mail_to, smarthost, mail_from, mail_user, mail_password_file, mail_tls)
    typer.echo(
        configuration(
            _catalogue(catalogue),
            webhook=webhook,
            token_file=token_file,
            mail=mail,
            direct_webhook_file=direct_webhook_file,
        ),
        nl=False,
    )


def _catalogue(folder: Path | None) -> Catalogue:
    if folder is not None:
        from fourones_shared.catalogue.files import load  # noqa: PLC0415

        return load(folder)
    from fourones_alerting.settings import AlertingSettings  # noqa: PLC0415
    from fourones_shared.database.engine import worker_engine  # noqa: PLC0415
    from fourones_shared.reference import ReferenceCopy  # noqa: PLC0415

    engine = worker_engine(AlertingSettings().database_url, name="alerting-config", pool_size=1)
    try:
        reference = ReferenceCopy(engine)
        reference.refresh()
    finally:
        engine.dispose()
    if reference.catalogue is None:
        raise typer.BadParameter("no catalogue is in force yet: name a folder", param_hint="--catalogue")
    return reference.catalogue


@contextmanager
def _ledger() -> Iterator[Connection]:
    from fourones_alerting.settings import AlertingSettings  # noqa: PLC0415
    from fourones_shared.database.engine import worker_engine  # noqa: PLC0415

    engine = worker_engine(AlertingSettings().database_url, name="alerting-ledger", pool_size=1)
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


def _report(done: dict[int, bool], well: str, badly: str) -> None:
    for number, was in done.items():
        typer.echo(f"{number} {well if was else badly}", file=sys.stdout if was else sys.stderr)
    raise typer.Exit(0 if all(done.values()) else 1)
