"""The spans of relays and consumers: each trace goes on through Kafka, however many share a round or a batch.

A relay's round and a consumer's batch hold what many requests have brought. The trace of each has a span of its own in
it, child of the context that its messages carry, and whatever follows is child of that span. Where several traces meet
in a batch, the batch is one more trace, linked with each: there lies what is done once for all, such as the
transaction. Where nothing is exported, messages go on with the context that they carry.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Protocol

from fourones_shared.tracing import Spans, contexts, is_recording, names, one_each, span, within
from fourones_shared.tracing.names import Attributes

Headers = Sequence[tuple[str, bytes | None]]

_TRACEPARENT = "traceparent"


@dataclass(frozen=True, slots=True)
class Message:
    """What spans tell of a record."""

    topic: str
    partition: int
    offset: int
    id: str | None
    traceparent: str | None


class Sendable(Protocol):
    """An event to be sent."""

    @property
    def topic(self) -> str:
        """Without the prefix."""
        ...

    @property
    def headers(self) -> list[tuple[str, bytes]]:
        """Its attributes, and the trace context among them."""
        ...


@contextmanager
def processing(group: str, messages: Sequence[Message]) -> Iterator[Spans]:
    """Run a batch of a group in the spans of its traces."""
    by_trace: dict[str | None, list[Message]] = {}
    for message in messages:
        by_trace.setdefault(message.traceparent, []).append(message)
    traces = [traceparent for traceparent in by_trace if traceparent is not None]
    if len(traces) > 1:
        with _batch(group, messages, by_trace) as spans:
            yield spans
        return
    only = traces[0] if traces else None
    if not is_recording():
        with within(only):
            yield Spans({})
        return
    # Without a trace the batch begins one; beside a trace, what came without one stays without.
    with span(names.PROCESS, _of_processing(group, by_trace[only]), parent=only) as traced:
        yield Spans({}, others=traced) if only is None else Spans({only: traced})


@contextmanager
def _batch(group: str, messages: Sequence[Message], by_trace: dict[str | None, list[Message]]) -> Iterator[Spans]:
    if not is_recording():
        yield Spans({})
        return
    whole = _of_batch("process batch", messages) | {names.GROUP: group}
    with span(names.PROCESS_BATCH, whole, parent=None, links=contexts(by_trace)) as batch:
        each = {trace: _of_processing(group, of_trace) for trace, of_trace in by_trace.items() if trace is not None}
        with one_each(names.PROCESS, each, link=batch.context) as spans:
            yield spans.beside(batch)


class Sending:
    """The spans of a relay's round."""

    def __init__(self, by_topic: dict[str, Spans]) -> None:
        self._by_topic = by_topic

    def headers(self, message: Sendable) -> list[tuple[str, bytes]]:
        """The headers with which a message goes out: its trace goes on from the span that sends it."""
        spans = self._by_topic.get(message.topic)
        if spans is None:
            return message.headers
        return [
            (name, (spans.onward(value.decode()) or "").encode() if name == _TRACEPARENT else value)
            for name, value in message.headers
        ]

    def fail(self, reason: str) -> None:
        """Nothing of the round has gone out."""
        for spans in self._by_topic.values():
            spans.fail(reason)


@contextmanager
def sending(messages: Sequence[Sendable], prefix: str) -> Iterator[Sending]:
    """Run a relay's round in the spans of its traces."""
    if not is_recording():
        yield Sending({})
        return
    by_topic: dict[str, dict[str, list[Sendable]]] = {}
    for message in messages:
        traceparent = header(message.headers, _TRACEPARENT)
        if traceparent is not None:
            by_topic.setdefault(message.topic, {}).setdefault(traceparent, []).append(message)
    with ExitStack() as stack:
        opened = {}
        for topic, by_trace in by_topic.items():
            each = {trace: _of_sending(prefix + topic, of_trace) for trace, of_trace in by_trace.items()}
            opened[topic] = stack.enter_context(one_each(names.SEND, each))
        yield Sending(opened)


def header(headers: Headers, name: str) -> str | None:
    """A header's text; None where it is missing or no text."""
    for key, value in headers:
        if key == name and value is not None:
            return value.decode("ascii", "replace")
    return None


def _of_sending(topic: str, messages: Sequence[Sendable]) -> Attributes:
    attributes: dict[str, str | int] = _operation("send", "send", topic)
    if len(messages) > 1:
        return attributes | {names.MESSAGES: len(messages)}
    message_id = header(messages[0].headers, "ce_id")
    return attributes if message_id is None else attributes | {names.MESSAGE_ID: message_id}


def _of_processing(group: str, messages: Sequence[Message]) -> Attributes:
    attributes = _of_batch("process", messages) | {names.GROUP: group}
    if len(messages) > 1:
        return attributes
    [message] = messages
    attributes |= {names.PARTITION: str(message.partition), names.OFFSET: message.offset}
    return attributes if message.id is None else attributes | {names.MESSAGE_ID: message.id}


def _of_batch(operation: str, messages: Sequence[Message]) -> dict[str, str | int]:
    topics = {message.topic for message in messages}
    attributes = _operation(operation, "process", topics.pop() if len(topics) == 1 else None)
    return attributes if len(messages) == 1 else attributes | {names.MESSAGES: len(messages)}


def _operation(name: str, kind: str, topic: str | None) -> dict[str, str | int]:
    attributes: dict[str, str | int] = {
        names.MESSAGING_SYSTEM: names.KAFKA,
        names.OPERATION_NAME: name,
        names.OPERATION_TYPE: kind,
    }
    return attributes if topic is None else attributes | {names.DESTINATION: topic}
