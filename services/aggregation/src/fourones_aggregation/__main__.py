"""`fourones-aggregation`: the service's processes, and the commands of those who operate it."""

from __future__ import annotations

import structlog
import typer

from fourones_aggregation import bootstrap
from fourones_aggregation.verifying import verify as find_differences
from fourones_shared.database import migrate as migrations
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
    _serve(bootstrap.api(settings), settings, API_PORT)


@app.command()
def worker() -> None:
    """Apply submissions, keep roll-ups, publish them; health and metrics on port 8012. Run as many as needed."""
    settings = _settings("aggregation-worker")
    _serve(bootstrap.worker(settings), settings, WORKER_PORT)


@app.command()
def migrate() -> None:
    """Bring the database to the newest schema; any number may run at once."""
    settings = _settings("aggregation-migrate")
    log.info("database migrated", revision=migrations.migrate("fourones_aggregation", settings.database_url))


@app.command()
def verify() -> None:
    """Recompute every roll-up from figures and catalogue; prints each difference and exits 1 when there is one."""
    settings = _settings("aggregation-verify")
    engine = bootstrap.operators_engine(settings)
    try:
        differences = find_differences(engine)
    finally:
        engine.dispose()
    for difference in differences:
        typer.echo(str(difference))
    log.info("verified", differences=len(differences))
    raise typer.Exit(1 if differences else 0)


def main() -> None:
    """The console script."""
    app()


def _serve(process: bootstrap.Process, settings: ServiceSettings, default_port: int) -> None:
    try:
        code = serve(process.app, host=settings.host, port=settings.port or default_port, threads=process.threads)
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
