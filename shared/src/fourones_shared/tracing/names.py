"""Every span and every attribute of a span, as data: what is not declared here is not recorded.

Names follow OpenTelemetry's semantic conventions where there are any: HTTP and database (stable), messaging (not stable
yet, so their names stand here as text; a test compares them with the installed version of the conventions).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from opentelemetry.semconv.attributes import (
    db_attributes,
    error_attributes,
    http_attributes,
    server_attributes,
    url_attributes,
)
from opentelemetry.trace import SpanKind

Value = str | int
Attributes = Mapping[str, Value]

HTTP_METHOD = http_attributes.HTTP_REQUEST_METHOD
HTTP_ROUTE = http_attributes.HTTP_ROUTE
HTTP_STATUS = http_attributes.HTTP_RESPONSE_STATUS_CODE
URL_PATH = url_attributes.URL_PATH
URL_SCHEME = url_attributes.URL_SCHEME

DB_SYSTEM = db_attributes.DB_SYSTEM_NAME
DB_NAMESPACE = db_attributes.DB_NAMESPACE
DB_OPERATION = db_attributes.DB_OPERATION_NAME
DB_STATUS = db_attributes.DB_RESPONSE_STATUS_CODE
SERVER_ADDRESS = server_attributes.SERVER_ADDRESS
SERVER_PORT = server_attributes.SERVER_PORT

ERROR_TYPE = error_attributes.ERROR_TYPE

MESSAGING_SYSTEM = "messaging.system"
OPERATION_NAME = "messaging.operation.name"
OPERATION_TYPE = "messaging.operation.type"
DESTINATION = "messaging.destination.name"
PARTITION = "messaging.destination.partition.id"
OFFSET = "messaging.kafka.offset"
GROUP = "messaging.consumer.group.name"
MESSAGE_ID = "messaging.message.id"
MESSAGES = "messaging.batch.message_count"

SUBMISSION_ID = "fourones.submission.id"
ORGANISATION = "fourones.organisation"
FIGURES = "fourones.figures"
ROLLUPS = "fourones.rollups"
TARGETS = "fourones.targets"
NOTICE_NUMBER = "fourones.notice.number"
NOTICE_KIND = "fourones.notice.kind"
CHANNEL_KIND = "fourones.channel.kind"

KAFKA = "kafka"
POSTGRESQL = "postgresql"

OWN_ATTRIBUTES: Mapping[str, str] = {
    SUBMISSION_ID: "The submission that a request made or repeated, as its receipt names it.",
    ORGANISATION: "Code of the organisation that a submission is about.",
    FIGURES: "How many figures a submission holds.",
    ROLLUPS: "How many roll-ups of this trace were judged with.",
    TARGETS: "How many targets' metrics show what this trace has brought.",
    NOTICE_NUMBER: "The notice's number, as its recipient reads it.",
    NOTICE_KIND: "What a notice tells: off_track, recovered, …",
    CHANNEL_KIND: "How a notice goes out: email, wecom, dingtalk, feishu, webhook.",
}
"""What no convention has a name for, and what it says."""


@dataclass(frozen=True, slots=True)
class SpanDefinition:
    """A kind of span.

    Attributes:
        name: words, and names of attributes whose values stand in their place; one without a value is left out.
        attributes: all that it may carry, beside `error.type`.
        says: what it stands for.
    """

    name: tuple[str, ...]
    kind: SpanKind
    attributes: frozenset[str]
    says: str

    def named(self, attributes: Attributes) -> str:
        """The name of one such span."""
        words = (str(attributes[word]) if word in attributes else word for word in self.name)
        return " ".join(word for word in words if word not in self.attributes)


_MESSAGING = frozenset({MESSAGING_SYSTEM, OPERATION_NAME, OPERATION_TYPE, DESTINATION, MESSAGES})
_MESSAGE = frozenset({PARTITION, OFFSET, MESSAGE_ID})

REQUEST = SpanDefinition(
    (HTTP_METHOD, HTTP_ROUTE),
    SpanKind.SERVER,
    frozenset({HTTP_METHOD, HTTP_ROUTE, HTTP_STATUS, URL_PATH, URL_SCHEME}) | {SUBMISSION_ID, ORGANISATION, FIGURES},
    "A request to an API, health and metrics apart.",
)
TRANSACTION = SpanDefinition(
    ("transaction", DB_NAMESPACE),
    SpanKind.CLIENT,
    frozenset({DB_SYSTEM, DB_NAMESPACE, DB_OPERATION, DB_STATUS, SERVER_ADDRESS, SERVER_PORT}),
    "A transaction of a database, from its beginning to the return of its connection.",
)
SEND = SpanDefinition(
    ("send", DESTINATION),
    SpanKind.PRODUCER,
    _MESSAGING | {MESSAGE_ID},
    "What one trace has in a relay's round for one topic, until Kafka has committed it.",
)
PROCESS = SpanDefinition(
    ("process", DESTINATION),
    SpanKind.CONSUMER,
    _MESSAGING | _MESSAGE | {GROUP},
    "What one trace has in a consumer's batch, until its effects are committed.",
)
PROCESS_BATCH = SpanDefinition(
    ("process batch", DESTINATION),
    SpanKind.CONSUMER,
    _MESSAGING | {GROUP},
    "A consumer's batch in which several traces meet; it is linked to each, and a trace of its own.",
)
JUDGE = SpanDefinition(
    ("judge",), SpanKind.INTERNAL, frozenset({ROLLUPS}), "Judging the targets that a trace's roll-ups are about."
)
SHOW = SpanDefinition(
    ("show verdicts",), SpanKind.INTERNAL, frozenset({TARGETS}), "Taking newer verdicts into the metrics."
)
SEND_NOTICE = SpanDefinition(
    ("send notice", CHANNEL_KIND),
    SpanKind.CLIENT,
    frozenset({NOTICE_NUMBER, NOTICE_KIND, CHANNEL_KIND}),
    "One attempt to hand a notice to a channel; a digest is linked to the traces of what it tells.",
)

SPANS = (REQUEST, TRANSACTION, SEND, PROCESS, PROCESS_BATCH, JUDGE, SHOW, SEND_NOTICE)
