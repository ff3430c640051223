"""CloudEvents 1.0 over Kafka in binary mode: attributes in the headers, the data alone in the value.

Source: CloudEvents Kafka protocol binding 1.0.2, section 3.2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from cloudevents.core.base import BaseCloudEvent
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary, to_binary
from cloudevents.core.exceptions import CloudEventValidationError
from cloudevents.core.formats.base import Format
from cloudevents.core.v1.event import CloudEvent
from pydantic import ValidationError

from fourones_shared.errors import DeadLetter
from fourones_shared.events.model import EventData

Data = TypeVar("Data", bound=EventData)
Headers = Sequence[tuple[str, bytes | None]]


@dataclass(frozen=True, slots=True)
class Wire:
    """A record ready for Kafka."""

    topic: str
    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]


@dataclass(frozen=True, slots=True)
class Envelope:
    """The attributes of a received event, its data still bytes."""

    id: str
    type: str
    source: str
    time: datetime | None
    traceparent: str | None
    value: bytes


class _BytesFormat(Format):
    # The data is validated straight from its bytes by pydantic; parsing JSON here would do the work twice.
    def write_data(self, data: Any, datacontenttype: str | None) -> bytes:  # noqa: ARG002
        return bytes(data)

    def read_data(self, body: bytes, datacontenttype: str | None) -> Any:  # noqa: ARG002
        return body

    # The library's interface asks for structured mode as well; ours is binary mode alone, so nothing calls these two.
    def write(self, event: BaseCloudEvent) -> bytes:
        raise NotImplementedError("structured mode is not used")

    def read(self, event_factory: Any, data: str | bytes) -> BaseCloudEvent:
        raise NotImplementedError("structured mode is not used")

    def get_content_type(self) -> str:
        return "application/json"


_FORMAT = _BytesFormat()


def wrap(data: EventData, *, event_id: str, source: str, time: datetime, traceparent: str | None = None) -> Wire:
    """Put event data into its envelope.

    Args:
        data: the event's data; names its type, topic and key.
        event_id: unique per source; a repetition of the same event has the same id.
        source: the service that says it, such as `/fourones/submission`.
        time: when it happened.
        traceparent: W3C trace context to carry on.
    """
    attributes: dict[str, Any] = {
        "id": event_id,
        "type": data.TYPE,
        "source": source,
        "time": time,
        "datacontenttype": "application/json",
        "dataschema": f"urn:fourones:schema:{data.TYPE}",
    }
    event = CloudEvent(attributes, data.model_dump_json().encode())
    message = to_binary(event, _FORMAT, key_mapper=lambda _: data.partition_key())
    headers = list(message.headers.items())
    if traceparent:
        headers.append(("traceparent", traceparent.encode()))
    return Wire(data.TOPIC, data.partition_key().encode(), message.value, headers)


def unwrap(value: bytes | None, headers: Headers) -> Envelope:
    """Read the envelope of a record.

    Raises:
        DeadLetter: `not_an_event` when the headers are not those of a CloudEvent in binary mode.
    """
    if value is None:
        raise DeadLetter("not_an_event", "the record has no value")
    # A header may be null on the wire, which says as much as none.
    named: Mapping[str, bytes] = {name: content for name, content in headers if content is not None}
    try:
        event = from_binary(KafkaMessage(dict(named), None, value), _FORMAT)
        return Envelope(
            id=event.get_id(),
            type=event.get_type(),
            source=event.get_source(),
            time=event.get_time(),
            traceparent=named["traceparent"].decode("ascii") if "traceparent" in named else None,
            value=value,
        )
    except (CloudEventValidationError, UnicodeDecodeError, ValueError, KeyError) as error:
        raise DeadLetter("not_an_event", str(error)) from error


def data_of(envelope: Envelope, kind: type[Data]) -> Data:
    """Validate an event's data.

    Raises:
        DeadLetter: `unknown_type` for another type, `bad_data` when the data break the type's schema.
    """
    if envelope.type != kind.TYPE:
        raise DeadLetter("unknown_type", f"{envelope.type} is not {kind.TYPE}")
    try:
        return kind.model_validate_json(envelope.value)
    except ValidationError as error:
        raise DeadLetter("bad_data", str(error)) from error
