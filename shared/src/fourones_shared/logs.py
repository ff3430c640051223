"""Structured logs on standard output: JSON for machines, colours for a terminal; each line with service and trace."""

from __future__ import annotations

import logging
import sys

import structlog

from fourones_shared.settings import ServiceSettings
from fourones_shared.tracing import current_ids

# Without the local variables: they are long, and one of them may be a key.
_TRACEBACKS = structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False))


def configure_logging(settings: ServiceSettings, service: str) -> None:
    """Send the process's log lines, those of libraries too, through structlog.

    Args:
        settings: level and format.
        service: name and role, such as `submission-api`; every line has it.
    """
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _of_service(service),
        _with_trace,
        _TRACEBACKS if settings.log_format == "json" else _unchanged,
    ]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if settings.log_format == "json"
        else structlog.dev.ConsoleRenderer()
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    # The client logs every reconnect at INFO; while a broker is away that is one line a second of nothing new.
    logging.getLogger("kafka").setLevel(logging.WARNING)
    # On a machine short of cores the client's I/O loop says after every pause that it had one.
    logging.getLogger("kafka.net.selector").setLevel(logging.ERROR)
    logging.getLogger("uvicorn.access").setLevel(logging.WARNING)


def _of_service(service: str) -> structlog.typing.Processor:
    # No context variable: those of the main thread are not those of the others.
    def named(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        event["service"] = service
        return event

    return named


def _with_trace(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    ids = current_ids()
    if ids is not None:
        event["trace_id"], event["span_id"] = ids
    return event


def _unchanged(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    return event
