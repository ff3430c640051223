"""`fourones-aggregation`: the service's processes, and the commands of those who operate it."""

from __future__ import annotations

from typing import Annotated

import structlog
import typer

from fourones_aggregation import bootstrap
from fourones_aggregation.commands import rebuild as rebuild_command
from fourones_aggregation.commands import verify as verify_command
from fourones_aggregation.verification import MOST_TOLD, Scope
from fourones_shared.database.commands import CheckOnly, Wait, migrate_or_check
from fourones_shared.dead_letters.commands import dead_letter_commands
from fourones_shared.logs import configure_logging
from fourones_shared.process import serve
from fourones_shared.settings import ServiceSettings
from fourones_shared.tracing import configure_tracing

log = structlog.get_logger(__name__)

API_PORT = 8002
WORKER_PORT = 8012

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__)
app.add_typer(dead_letter_commands(lambda: bootstrap.dead_letters(ServiceSettings())), name="deadletters")


@app.command()
def api() -> None:
    """Serve the HTTP API (port 8002 unless FOURONES_PORT says otherwise)."""
    settings = _settings("aggregation-api")
    _serve(bootstrap.api(settings), settings, API_PORT, drain_s=settings.drain_s)


@app.command()
def worker() -> None:
    """Apply submissions, keep roll-ups, publish them; health and metrics on port 8012. Run as many as needed."""
    settings = _settings("aggregation-worker")
    _serve(bootstrap.worker(settings), settings, WORKER_PORT, gives_way=True)


@app.command()
def migrate(*, check: CheckOnly = False, wait: Wait = 0.0) -> None:
    """Bring the database to the newest schema; any number may run at once."""
    settings = _settings("aggregation-migrate")
    revision = migrate_or_check("fourones_aggregation", settings.database_url, check=check, wait_s=wait)
    log.info("database is current" if check else "database migrated", revision=revision)


@app.command()
def rebuild(
    *,
    partial: Annotated[
        bool, typer.Option("--partial", help="where the log has lost its beginning: remove nothing that is stored")
    ] = False,
) -> None:
    """Make the figures anew from the log and put right what differs, while the system runs.

    Nothing changes before the last moment; only what differs gets a new version.
    """
    rebuild_command.rebuild(_settings("aggregation-rebuild"), partial=partial)


@app.command()
def verify(
    *,
    the_log: Annotated[bool, typer.Option("--log", help="hold the figures against the log instead")] = False,
    show: Annotated[int, typer.Option(help="how many differences to print", min=0, max=MOST_TOLD)] = 100,
) -> None:
    """Recompute all that is kept from figures and catalogue; prints the differences and exits 1 when there is one.

    The outcome is kept, and the workers show it as fourones_verification_differences.
    """
    scope = Scope.LOG if the_log else Scope.FIGURES
    number = verify_command.verify(_settings("aggregation-verify"), scope, at_most=show)
    raise typer.Exit(1 if number else 0)


def main() -> None:
    """The console script."""
    app()


def _serve(
    process: bootstrap.Process,
    settings: ServiceSettings,
    default_port: int,
    *,
    drain_s: float = 0,
    gives_way: bool = False,
) -> None:
    try:
        code = serve(
            process.app,
            host=settings.host,
            port=settings.port or default_port,
            threads=process.threads,
            drain_s=drain_s,
            gives_way=gives_way,
        )
    finally:
        process.close()
    raise typer.Exit(code)


def _settings(service: str) -> ServiceSettings:
    settings = ServiceSettings()
    configure_logging(settings, service)
    configure_tracing(service)
    log.info("starting", **settings.described())
    return settings


if __name__ == "__main__":
    main()
