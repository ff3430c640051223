"""`fourones-aggregation verify`: what is kept held against the figures, or the figures against the log."""

from __future__ import annotations

import time

import structlog
import typer
from sqlalchemy import Engine

from fourones_aggregation import bootstrap
from fourones_aggregation.commands.ending import TELL_EVERY_S, ending_well, telling
from fourones_aggregation.comparing import verify_log
from fourones_aggregation.verification import Findings, Scope, keep
from fourones_aggregation.verifying import verify_figures
from fourones_shared.domain.clock import Clock, SystemClock
from fourones_shared.settings import ServiceSettings

log = structlog.get_logger(__name__)


def verify(settings: ServiceSettings, scope: Scope, *, at_most: int, clock: Clock | None = None) -> int:
    """Verify, print the first differences, and keep the outcome for the workers' metrics.

    Returns:
        The number of differences.

    Raises:
        typer.Exit: with 1 when it could not be done.
    """
    engine = bootstrap.operators_engine(settings)
    verified_at, began = (clock or SystemClock()).now(), time.monotonic()
    try:
        with ending_well():
            findings = _find(settings, scope, engine)
            seconds = round(time.monotonic() - began, 3)
            with engine.begin() as connection:
                keep(connection, scope, findings, verified_at=verified_at, seconds=seconds)
    finally:
        engine.dispose()
    for difference in findings.first[:at_most]:
        typer.echo(str(difference))
    if findings.number > len(findings.first[:at_most]):
        typer.echo(f"… and {findings.number - len(findings.first[:at_most])} more")
    log.info("verified", scope=scope.value, differences=findings.number, snapshot=findings.snapshot, seconds=seconds)
    return findings.number


def _find(settings: ServiceSettings, scope: Scope, engine: Engine) -> Findings:
    if scope is Scope.LOG:
        with bootstrap.log_of_figures(settings, engine) as (topic, dimensions):
            return verify_log(engine, topic, dimensions, telling())
    told_at = time.monotonic()

    def tell(done: int, of: int) -> None:
        nonlocal told_at
        if time.monotonic() - told_at >= TELL_EVERY_S:
            told_at = time.monotonic()
            log.info("verifying", indicators=done, of=of)

    return verify_figures(engine, progress=tell)
