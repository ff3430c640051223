from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal

import orjson
import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary
from cloudevents.core.formats.json import JSONFormat
from hypothesis import given
from hypothesis import strategies as st

from fourones_shared.errors import DeadLetter
from fourones_shared.events.envelope import Wire, data_of, unwrap, wrap
from fourones_shared.events.model import FiguresApplied, FiguresSubmitted, FigureSubmitted

NOON = datetime(2025, 12, 8, 4, 0, 0, 482000, tzinfo=UTC)
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def a_submission(*values: Decimal | None, org: str = "320382", note: str | None = None) -> FiguresSubmitted:
    return FiguresSubmitted(
        submission_id="S-1",
        org=org,
        sequence=7,
        catalogue_version=3,
        received_at=NOON,
        reported_by=org,
        key_id="5f0c9a7be214",
        figures=tuple(
            FigureSubmitted(
                indicator="cluster-scale", cluster="new-materials", period="2025-11", value=value, note=note
            )
            for value in values or (Decimal("86.4"),)
        ),
    )


def a_wire(data: FiguresSubmitted | None = None, traceparent: str | None = TRACE) -> Wire:
    return wrap(
        data or a_submission(), event_id="S-1", source="/fourones/submission", time=NOON, traceparent=traceparent
    )


def test_what_is_wrapped_comes_out_again() -> None:
    wire = a_wire()
    envelope = unwrap(wire.value, wire.headers)

    assert (envelope.id, envelope.type, envelope.source) == (
        "S-1",
        "fourones.figures.submitted.v1",
        "/fourones/submission",
    )
    assert envelope.time == NOON
    assert envelope.traceparent == TRACE
    assert data_of(envelope, FiguresSubmitted) == a_submission()


def test_the_topic_and_the_key_are_those_of_the_type() -> None:
    wire = a_wire(a_submission(org="320302"))

    assert (wire.topic, wire.key) == ("figures-submitted", b"320302")


def test_the_cloudevents_sdk_reads_it_by_itself() -> None:
    wire = a_wire()
    event = from_binary(KafkaMessage(dict(wire.headers), wire.key, wire.value), JSONFormat())

    assert event.get_id() == "S-1"
    assert event.get_type() == "fourones.figures.submitted.v1"
    assert event.get_time() == NOON
    assert event.get_specversion() == "1.0"
    assert event.get_datacontenttype() == "application/json"
    assert event.get_dataschema() == "urn:fourones:schema:fourones.figures.submitted.v1"
    assert event.get_data() == orjson.loads(a_submission().model_dump_json())


def test_headers_are_in_binary_mode() -> None:
    headers = dict(a_wire().headers)

    assert headers["content-type"] == b"application/json"
    assert {name for name in headers if name.startswith("ce_")} == {
        "ce_id",
        "ce_source",
        "ce_specversion",
        "ce_type",
        "ce_time",
        "ce_dataschema",
    }


def test_without_a_trace_there_is_no_header_for_it() -> None:
    wire = a_wire(traceparent=None)

    assert "traceparent" not in dict(wire.headers)
    assert unwrap(wire.value, wire.headers).traceparent is None


@given(st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-(10**17), max_value=10**17))
def test_values_are_exact_to_the_last_digit(value: Decimal) -> None:
    wire = a_wire(a_submission(value))
    read = data_of(unwrap(wire.value, wire.headers), FiguresSubmitted)

    assert read.figures[0].value == value
    assert isinstance(orjson.loads(wire.value)["figures"][0]["value"], str)


@given(st.text(max_size=50))
def test_any_text_survives(note: str) -> None:
    wire = a_wire(a_submission(note=note))

    assert data_of(unwrap(wire.value, wire.headers), FiguresSubmitted).figures[0].note == note


def test_a_field_that_is_not_known_yet_is_ignored() -> None:
    wire = a_wire()
    value = orjson.dumps(orjson.loads(wire.value) | {"channel": "csv"})

    assert data_of(unwrap(value, wire.headers), FiguresSubmitted) == a_submission()


@pytest.mark.parametrize(
    ("value", "headers"),
    [
        (None, a_wire().headers),
        (b"{}", []),
        (b"{}", [("ce_id", b"1"), ("ce_type", b"x")]),
        (b"{}", [(name, b"\xff\xfe") for name, _ in a_wire().headers]),
        (b"{}", [(name, b"2.0" if name == "ce_specversion" else value) for name, value in a_wire().headers]),
        (b"{}", [(name, b"yesterday" if name == "ce_time" else value) for name, value in a_wire().headers]),
        (b"{}", [*a_wire().headers[:-1], ("traceparent", "中".encode())]),
    ],
    ids=["no value", "no headers", "too few", "not UTF-8", "another version", "no time", "no trace"],
)
def test_what_is_no_cloudevent_is_a_dead_letter(value: bytes | None, headers: list[tuple[str, bytes]]) -> None:
    with pytest.raises(DeadLetter) as refusal:
        unwrap(value, headers)

    assert refusal.value.reason == "not_an_event"


@given(st.lists(st.tuples(st.text(max_size=12), st.binary(max_size=20)), max_size=8), st.binary(max_size=40))
def test_no_record_does_anything_but_decode_or_become_a_dead_letter(
    headers: list[tuple[str, bytes]], value: bytes
) -> None:
    with suppress(DeadLetter):
        data_of(unwrap(value, [*a_wire().headers, *headers]), FiguresSubmitted)


def test_a_header_without_a_value_says_as_much_as_none() -> None:
    wire = a_wire()
    bare = [(name, None if name == "traceparent" else value) for name, value in wire.headers]
    event = unwrap(wire.value, [*bare, ("ce_unheard", None)])

    assert event.traceparent is None
    assert data_of(event, FiguresSubmitted)


def test_another_type_is_a_dead_letter() -> None:
    wire = a_wire()
    with pytest.raises(DeadLetter) as refusal:
        data_of(unwrap(wire.value, wire.headers), FiguresApplied)

    assert refusal.value.reason == "unknown_type"


@pytest.mark.parametrize("value", [b"", b"not json", b"[]", b"{}", b'{"submission_id": 7}'])
def test_data_that_break_the_schema_are_a_dead_letter(value: bytes) -> None:
    with pytest.raises(DeadLetter) as refusal:
        data_of(unwrap(value, a_wire().headers), FiguresSubmitted)

    assert refusal.value.reason == "bad_data"
