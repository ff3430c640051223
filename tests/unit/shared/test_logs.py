"""Log lines as machines read them."""

import json
import logging
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from fourones_shared.logs import configure_logging
from fourones_shared.settings import ServiceSettings
from fourones_shared.tracing import within

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.fixture
def _logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def configured() -> None:
    configure_logging(ServiceSettings(database_url="postgresql+psycopg://test"), "submission-api")


def lines(captured: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in captured.readouterr().out.splitlines()]


@pytest.mark.usefixtures("_logging_as_before")
def test_a_line_of_any_thread_names_the_service(capsys: pytest.CaptureFixture[str]) -> None:
    configured()
    thread = threading.Thread(target=lambda: structlog.get_logger("relay").info("event sent", topic="t"))
    thread.start()
    thread.join()
    logging.getLogger("kafka").warning("of a library")

    ours, theirs = lines(capsys)
    assert (ours["event"], ours["service"], ours["topic"], ours["level"]) == (
        "event sent",
        "submission-api",
        "t",
        "info",
    )
    assert (theirs["event"], theirs["service"]) == ("of a library", "submission-api")


@pytest.mark.usefixtures("_logging_as_before")
def test_a_line_within_a_trace_names_trace_and_span_and_others_none(capsys: pytest.CaptureFixture[str]) -> None:
    configured()
    log = structlog.get_logger("posting")
    with within(f"00-{TRACE}-{SPAN}-01"):
        log.info("within")
    log.info("without")

    inside, outside = lines(capsys)
    assert (inside["trace_id"], inside["span_id"]) == (TRACE, SPAN)
    assert outside.keys().isdisjoint({"trace_id", "span_id"})
