"""`fourones-submission keys`: issue, list and revoke API keys. A key is printed once and kept nowhere."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Annotated, Any

import typer

from fourones_shared.catalogue.model import Catalogue
from fourones_shared.events.model import Role
from fourones_submission import bootstrap
from fourones_submission.settings import SubmissionSettings
from fourones_submission.storage.errors import UnknownKey
from fourones_submission.storage.keys import Grant

keys = typer.Typer(no_args_is_help=True, help=__doc__)

AsJson = Annotated[bool, typer.Option("--json", help="print JSON, for scripts")]

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
    if as_json:
        typer.echo(json.dumps({"key_id": issued.key_id, "key": issued.key}))
    else:
        typer.echo(f"key id: {issued.key_id}\nkey:    {issued.key}\nIt is not shown again.")


@keys.command()
def revoke(key_id: Annotated[str, typer.Argument(help="the id, as `keys list` shows it")]) -> None:
    """Revoke a key; every service refuses it within a second."""
    try:
        with bootstrap.operations(SubmissionSettings()) as operations:
            since = operations.keys.revoke(key_id)
    except UnknownKey as error:
        typer.echo(f"{error}: see `fourones-submission keys list`", err=True)
        raise typer.Exit(1) from error
    typer.echo(f"{key_id} is revoked since {since.isoformat()}")


@keys.command("list")
def list_keys(as_json: AsJson = False) -> None:
    """List all keys' records, the newest first."""
    with bootstrap.operations(SubmissionSettings()) as operations:
        records = [_record(row._mapping) for row in operations.keys.listed()]  # noqa: SLF001
    if as_json:
        typer.echo(json.dumps(records, ensure_ascii=False))
        return
    for record in records:
        state = "revoked" if record["revoked_at"] else f"expires {record['expires_at'] or 'never'}"
        scope = ",".join(record["indicators"] + record["clusters"]) or "all"
        label = record["label"] or ""
        typer.echo(f"{record['key_id']}  {record['role']:<12} {record['org'] or '-':<12} {scope}  {state}  {label}")


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


def _record(row: Any) -> dict[str, Any]:
    return {name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in row.items()}
