"""`fourones-alerting channels`: check the channels file, and send a test message."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fourones_alerting.notifying.message import Message

if TYPE_CHECKING:
    from fourones_alerting.notifying.channels import Channel, Directory, Recipient
    from fourones_shared.catalogue.model import Catalogue

channels = typer.Typer(no_args_is_help=True, help="Check the channels file; send a test message.")

_File = Annotated[
    Path, typer.Argument(envvar="FOURONES_CHANNELS_FILE", help="the channels file", metavar="FILE", show_default=False)
]


@channels.command()
def check(
    file: _File,
    catalogue: Annotated[
        Path | None, typer.Option(help="folder of the catalogue: tell who answers for targets and cannot be told")
    ] = None,
) -> None:
    """Read the file and every file and variable that it names; tell all faults, or who is told by what.

    Nothing is connected to. Ends with 1 when there is a fault.
    """
    directory = _read(file)
    for name, recipient in _recipients(directory):
        typer.echo(f"{name}: {', '.join(map(_described, recipient.channels))}{_sparing(recipient)}")
    if catalogue is not None and not _holds_against(directory, _catalogue(catalogue)):
        raise typer.Exit(1)


@channels.command("send-test")
def send_test(
    file: _File,
    to: Annotated[
        list[str] | None,
        typer.Option("--to", help="a channel (gxj/mail) or everybody's of one recipient (gxj); may be repeated"),
    ] = None,
    *,
    everybody: Annotated[bool, typer.Option("--all", help="every channel of the file")] = False,
) -> None:
    """Send one test message to each channel named, now, whatever the hour; ends with 1 when one did not go out."""
    directory = _read(file)
    chosen = _chosen(directory, to or [], everybody=everybody)
    # Not from the ledger; its seconds make every test another message to mail servers and webhooks.
    message = Message(
        number=int(time.time()),
        title="四个一预警通知：测试",
        text="这是一条测试消息，用来确认本渠道可以收到预警通知，无须处理。",
        level="info",
        facts={"test": True},
    )
    failed = 0
    for channel in chosen:
        outcome = _outcome(channel, message)
        failed += outcome is not None
        typer.echo(f"{channel.id} ({channel.kind}): {'not delivered: ' + outcome if outcome else 'delivered'}")
    raise typer.Exit(1 if failed else 0)


def _outcome(channel: Channel, message: Message) -> str | None:
    """Why the message did not go out; None when it did."""
    from fourones_alerting.notifying.channels import Undelivered  # noqa: PLC0415

    try:
        channel.send(message)
    except Undelivered as error:
        return error.reason
    return None


def _read(file: Path) -> Directory:
    # What only these commands need is imported when one of them runs.
    from fourones_alerting.notifying.channels.file import ChannelsRefused, read_channels  # noqa: PLC0415

    try:
        return read_channels(file)
    except ChannelsRefused as refused:
        for fault in refused.faults:
            typer.echo(fault, err=True)
        raise typer.Exit(1) from None


def _chosen(directory: Directory, named: list[str], *, everybody: bool) -> list[Channel]:
    if everybody:
        return list(directory.channels())
    if not named:
        raise typer.BadParameter("name channels with --to, or take --all", param_hint="--to")
    known = dict(_recipients(directory))
    chosen: list[Channel] = []
    for name in named:
        channel = directory.channel(name)
        if channel is None and name not in known:
            raise typer.BadParameter(f"the file has no {name}", param_hint="--to")
        chosen += [channel] if channel else known[name].channels
    return chosen


def _recipients(directory: Directory) -> Iterator[tuple[str, Recipient]]:
    yield from directory.departments.items()
    for name, recipient in (("coordinator", directory.coordinator), ("operators", directory.operators)):
        if recipient.channels:
            yield name, recipient


def _described(channel: Channel) -> str:
    return f"{channel.id.partition('/')[2]} ({channel.kind})"


def _sparing(recipient: Recipient) -> str:
    said = ""
    if hours := recipient.quiet_hours:
        said += f"; quiet from {hours.starts:%H:%M} until {hours.ends:%H:%M}"
    if recipient.digest_from:
        said += f"; one message of {recipient.digest_from} and more"
    return said


def _catalogue(folder: Path) -> Catalogue:
    from fourones_shared.catalogue.files import load  # noqa: PLC0415
    from fourones_shared.errors import CatalogueRefused  # noqa: PLC0415

    try:
        return load(folder)
    except CatalogueRefused as refused:
        typer.echo(str(refused), err=True)
        raise typer.Exit(1) from None


def _holds_against(directory: Directory, catalogue: Catalogue) -> bool:
    """Tell what file and catalogue disagree on; False when the file names a department that there is none of."""
    known = {organisation.id for organisation in catalogue.organisations}
    strangers = [org for org in directory.departments if org not in known]
    for org in strangers:
        typer.echo(f"{org}: the catalogue has no such organisation", err=True)
    responsible = {org for target in catalogue.targets for org in target.responsible.departments}
    for org in sorted(responsible - directory.departments.keys()):
        typer.echo(f"note: {org} answers for targets and has no channel", err=True)
    return not strangers
