"""`fourones-submission`: the service's processes, and the commands of those who operate it."""

from __future__ import annotations

import time
from typing import Annotated

import structlog
import typer

from fourones_shared.database.commands import CheckOnly, Wait, migrate_or_check
from fourones_shared.dead_letters.commands import dead_letter_commands
from fourones_shared.errors import Retry
from fourones_shared.kafka.topics import ensure_topics
from fourones_shared.logs import configure_logging
from fourones_shared.process import serve
from fourones_shared.topics import all_topics
from fourones_shared.tracing import configure_tracing
from fourones_submission import bootstrap
from fourones_submission.commands import recover as recover_command
from fourones_submission.commands.keys import keys
from fourones_submission.settings import API_PORT, WORKER_PORT, SubmissionSettings

log = structlog.get_logger(__name__)

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__)
app.add_typer(keys, name="keys")
app.add_typer(dead_letter_commands(lambda: bootstrap.dead_letters(SubmissionSettings())), name="deadletters")


@app.command()
def api() -> None:
    """Serve the HTTP API (port 8001 unless FOURONES_PORT says otherwise)."""
    settings = _settings("submission-api")
    raise typer.Exit(_run(bootstrap.api(settings), settings, settings.port or API_PORT, drain_s=settings.drain_s))


@app.command()
def worker() -> None:
    """Carry the outbox to Kafka and complete receipts; health and metrics on port 8011."""
    settings = _settings("submission-worker")
    raise typer.Exit(_run(bootstrap.worker(settings), settings, settings.port or WORKER_PORT, gives_way=True))


@app.command()
def migrate(*, check: CheckOnly = False, wait: Wait = 0.0) -> None:
    """Bring the database to the newest schema; any number may run at once."""
    settings = _settings("submission-migrate")
    revision = migrate_or_check("fourones_submission", settings.database_url, check=check, wait_s=wait)
    log.info("database is current" if check else "database migrated", revision=revision)


@app.command()
def topics(
    wait: Annotated[float, typer.Option(help="seconds to wait for a broker that is away")] = 60.0,
) -> None:
    """Create the topics that are missing and check those that are there."""
    settings = _settings("submission-topics")
    deadline = time.monotonic() + wait
    while True:
        try:
            ensure_topics(
                settings.kafka,
                all_topics().values(),
                prefix=settings.topic_prefix,
                replication_factor=settings.replication_factor,
            )
        except Retry as error:
            left = deadline - time.monotonic()
            if left <= 0:
                log.error("gave up waiting for the broker", bootstrap=settings.kafka_bootstrap, waited_s=wait)  # noqa: TRY400
                raise typer.Exit(1) from error
            log.warning("waiting for the broker", bootstrap=settings.kafka_bootstrap, for_another_s=round(left))
            time.sleep(min(1.0, left))
        else:
            return


@app.command()
def recover() -> None:
    """Put back what a database restored from an older backup lacks and the topics hold; while the system runs."""
    raise typer.Exit(recover_command.recover(_settings("submission-recover")))


def main() -> None:
    """The console script."""
    app()


def _run(
    process: bootstrap.Process,
    settings: SubmissionSettings,
    port: int,
    *,
    drain_s: float = 0,
    gives_way: bool = False,
) -> int:
    try:
        return serve(
            process.app,
            host=settings.host,
            port=port,
            threads=process.threads,
            drain_s=drain_s,
            gives_way=gives_way,
        )
    finally:
        process.close()


def _settings(service: str) -> SubmissionSettings:
    settings = SubmissionSettings()
    configure_logging(settings, service)
    configure_tracing(service)
    log.info("starting", **settings.described())
    return settings


if __name__ == "__main__":
    main()
