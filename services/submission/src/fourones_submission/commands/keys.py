"""`fourones-submission keys`: issue, list, replace and end API keys. A key is printed once and kept nowhere."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any

import typer

from fourones_shared.catalogue.model import Catalogue
from fourones_shared.domain.clock import SHANGHAI
from fourones_shared.events.model import Role
from fourones_submission import bootstrap
from fourones_submission.settings import SubmissionSettings
from fourones_submission.storage.errors import KeyEnded, UnknownKey
from fourones_submission.storage.keys import Grant, IssuedKey, ListedKey

keys = typer.Typer(no_args_is_help=True, help=__doc__)

AsJson = Annotated[bool, typer.Option("--json", help="print JSON, for scripts")]
KeyId = Annotated[str, typer.Argument(help="the id, as `keys list` shows it")]

_OF_AN_ORGANISATION = frozenset({Role.REPORTER, Role.DEPARTMENT})


@keys.command()
def issue(  # noqa: PLR0917 - typer makes options of them
    role: Annotated[Role, typer.Option(help="what it may do")],
    org: Annotated[str, typer.Option(help="the organisation's id; none for the office's own keys")] = "none",
    indicators: Annotated[str, typer.Option(help="ids with commas between; all when empty")] = "",
    clusters: Annotated[str, typer.Option(help="ids with commas between; all when empty")] = "",
    label: Annotated[str | None, typer.Option(help="who has it, for the list")] = None,
    expires: Annotated[int | None, typer.Option(min=1, help="days it is valid; for ever when absent")] = None,
    as_json: AsJson = False,
) -> None:
    """Issue a key and print it, this once."""
    grant = Grant(
        role,
        None if org == "none" else org,
        _listed(indicators),
        _listed(clusters),
        label,
        timedelta(days=expires) if expires else None,
    )
    with bootstrap.operations(SubmissionSettings()) as operations:
        _require_sense(grant, _catalogue_in_force(operations))
        issued = operations.keys.issue(grant)
    _show(issued, as_json)


@keys.command()
def rotate(
    key_id: KeyId,
    overlap: Annotated[float, typer.Option(min=0, help="hours in which both keys are valid")] = 72.0,
    expires: Annotated[
        int | None, typer.Option(min=1, help="days the new key is valid; as the old one, if absent")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Replace a key: issue one that may the same, and let the old one end after the overlap."""
    with _telling_why_not(), bootstrap.operations(SubmissionSettings()) as operations:
        rotated = operations.keys.rotate(
            key_id, overlap=timedelta(hours=overlap), valid_for=timedelta(days=expires) if expires else None
        )
    _show(rotated.issued, as_json, replaced=key_id, old_until=rotated.old_until)


@keys.command()
def expire(
    key_id: KeyId,
    at: Annotated[str, typer.Option(help="2026-06-30 (the end of that day in Shanghai) or 2026-06-30T12:00:00+08:00")],
) -> None:
    """Set the moment at which a key ends, earlier or later than it would have."""
    moment = _moment(at)
    with _telling_why_not(), bootstrap.operations(SubmissionSettings()) as operations:
        operations.keys.expire(key_id, moment)
    typer.echo(f"{key_id} ends at {moment.isoformat()}")


@keys.command()
def revoke(key_id: KeyId) -> None:
    """Revoke a key for good; every service refuses it within a second."""
    with _telling_why_not(), bootstrap.operations(SubmissionSettings()) as operations:
        since = operations.keys.revoke(key_id)
    typer.echo(f"{key_id} is revoked since {since.isoformat()}")


@keys.command("list")
def list_keys(as_json: AsJson = False) -> None:
    """List all keys' records, the newest first."""
    with bootstrap.operations(SubmissionSettings()) as operations:
        records = [_record(listed) for listed in operations.keys.listed()]
    if as_json:
        typer.echo(json.dumps(records, ensure_ascii=False))
    else:
        _show_table(_COLUMNS, [_line(record) for record in records])


@keys.command()
def demo(as_json: AsJson = False) -> None:
    """Issue one key per role and per organisation of the catalogue in force, for demonstrations and tests."""
    with bootstrap.operations(SubmissionSettings()) as operations:
        catalogue = _catalogue_in_force(operations)
        if catalogue is None:
            typer.echo("no catalogue is in force: apply one first (fourones catalogue apply)", err=True)
            raise typer.Exit(1)
        issued = {name: key.key for name, key in operations.keys.issue_for_everybody(catalogue).items()}
    if as_json:
        typer.echo(json.dumps(issued))
    else:
        for name, key in issued.items():
            typer.echo(f"{name:<12} {key}")


def _require_sense(grant: Grant, catalogue: Catalogue | None) -> None:
    """Refuse a key that could never be used; organisations and scopes are checked once there is a catalogue."""
    if (grant.role in _OF_AN_ORGANISATION) != (grant.org is not None):
        needs = "needs --org" if grant.org is None else "takes no --org"
        raise typer.BadParameter(f"a {grant.role.value} key {needs}")
    if catalogue is None:
        return
    if grant.org is not None and grant.org not in catalogue.organisation:
        raise typer.BadParameter(f"{grant.org} is no organisation of the catalogue in force")
    for indicator in grant.indicators:
        if indicator not in catalogue.indicator:
            raise typer.BadParameter(f"{indicator} is no indicator of the catalogue in force")
    for cluster in grant.clusters:
        if cluster not in catalogue.cluster:
            raise typer.BadParameter(f"{cluster} is no cluster of the catalogue in force")


def _catalogue_in_force(operations: bootstrap.Operations) -> Catalogue | None:
    operations.reference.refresh()
    return operations.reference.catalogue


def _listed(text: str) -> tuple[str, ...]:
    return tuple(item.strip() for item in text.split(",") if item.strip())


@contextmanager
def _telling_why_not() -> Iterator[None]:
    try:
        yield
    except UnknownKey as error:
        typer.echo(f"{error}: see `fourones-submission keys list`", err=True)
        raise typer.Exit(1) from error
    except KeyEnded as error:
        typer.echo(f"{error}: issue another one with `fourones-submission keys issue`", err=True)
        raise typer.Exit(1) from error


def _show(issued: IssuedKey, as_json: bool, *, replaced: str | None = None, old_until: datetime | None = None) -> None:
    if as_json:
        more = {"replaces": replaced, "old_until": old_until.isoformat()} if old_until is not None else {}
        typer.echo(json.dumps({"key_id": issued.key_id, "key": issued.key} | more))
        return
    typer.echo(f"key id: {issued.key_id}\nkey:    {issued.key}\nIt is not shown again.")
    if old_until is not None:
        typer.echo(f"{replaced} stays valid until {old_until.isoformat()}")


# The label last: Chinese characters are two columns wide.
_COLUMNS = ("key id", "role", "org", "state", "until", "scope", "label")


def _line(record: dict[str, Any]) -> tuple[str, ...]:
    until = record["revoked_at"] if record["state"] == "revoked" else record["expires_at"]
    return (
        record["key_id"],
        record["role"],
        record["org"] or "-",
        record["state"],
        until or "-",
        ",".join(record["indicators"] + record["clusters"]) or "all",
        record["label"] or "",
    )


def _show_table(header: Sequence[str], lines: Sequence[Sequence[str]]) -> None:
    widths = [max(len(line[n]) for line in (header, *lines)) for n in range(len(header))]
    for line in (header, *lines):
        typer.echo("  ".join(part.ljust(width) for part, width in zip(line, widths, strict=True)).rstrip())


def _moment(text: str) -> datetime:
    try:
        if len(text) == len("2026-06-30"):
            day = date.fromisoformat(text) + timedelta(days=1)
            return datetime.combine(day, time(), SHANGHAI).astimezone(UTC)
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text} is neither a date nor a moment", param_hint="--at") from error
    if moment.tzinfo is None:
        raise typer.BadParameter(f"{text} lacks the time zone, such as +08:00", param_hint="--at")
    return moment.astimezone(UTC)


def _record(listed: ListedKey) -> dict[str, Any]:
    # Not the hash: who reads the list needs it for nothing.
    return listed.record.model_dump(mode="json", exclude={"key_hash"}) | {"state": listed.state.value}
