from dataclasses import dataclass

import pytest
from unit.shared.tracing.recording import recording

from fourones_shared.kafka.traced import Message, processing, sending
from fourones_shared.tracing import current_ids, current_traceparent, names, trace_id_of

TOPIC = "figures-submitted"


def a_traceparent(number: int) -> str:
    return f"00-{number:032x}-{number:016x}-01"


def a_message(trace: int | None = 1, offset: int = 7, topic: str = TOPIC) -> Message:
    return Message(topic, 3, offset, f"event-{offset}", None if trace is None else a_traceparent(trace))


@dataclass(frozen=True)
class AnEvent:
    trace: int | None
    topic: str = TOPIC

    @property
    def headers(self) -> list[tuple[str, bytes]]:
        traced = [] if self.trace is None else [("traceparent", a_traceparent(self.trace).encode())]
        return [("ce_id", b"event-7"), *traced]


# -- consumers -------------------------------------------------------------------------------------------------


def test_a_batch_of_one_trace_is_a_span_of_that_trace():
    with recording() as recorded, processing("aggregation", [a_message()]) as spans:
        onward = spans.onward(a_traceparent(1))
        assert onward == current_traceparent()

    span = recorded.one("process figures-submitted")
    assert (span.trace, span.parent, span.traceparent) == (1, 1, onward)
    assert span.attributes == {
        names.MESSAGING_SYSTEM: "kafka",
        names.OPERATION_NAME: "process",
        names.OPERATION_TYPE: "process",
        names.DESTINATION: TOPIC,
        names.PARTITION: "3",
        names.OFFSET: 7,
        names.GROUP: "aggregation",
        names.MESSAGE_ID: "event-7",
    }


def test_several_messages_of_one_trace_are_counted():
    with recording() as recorded, processing("aggregation", [a_message(offset=7), a_message(offset=8)]):
        pass

    attributes = recorded.one("process figures-submitted").attributes
    assert attributes[names.MESSAGES] == 2
    assert attributes.keys().isdisjoint({names.OFFSET, names.PARTITION, names.MESSAGE_ID})


def test_several_traces_have_a_span_each_and_meet_in_the_batch():
    messages = [a_message(1), a_message(2), a_message(1), a_message(None)]
    with recording() as recorded, processing("aggregation", messages) as spans:
        within = current_traceparent()
        onward = {trace: spans.onward(a_traceparent(trace)) for trace in (1, 2)}
        without = spans.onward(None)

    batch = recorded.one("process batch figures-submitted")
    assert batch.parent == 0
    assert batch.attributes[names.MESSAGES] == 4
    assert batch.links == ((1, 1), (2, 2))
    assert [each.links for each in recorded.all("process figures-submitted")] == [((batch.trace, batch.id),)] * 2
    # What follows from a message is part of its trace; what is done for all, and what has none, of the batch's.
    assert {trace: trace_id_of(to) for trace, to in onward.items()} == {n: f"{n:032x}" for n in (1, 2)}
    assert within == without
    assert within == batch.traceparent


def test_a_batch_without_any_trace_begins_one():
    with recording() as recorded, processing("alerting", [a_message(None)]) as spans:
        assert spans.onward(None) == current_traceparent()

    assert recorded.one("process figures-submitted").parent == 0


def test_what_came_without_a_trace_is_not_put_down_to_the_request_beside_it():
    with recording(), processing("alerting", [a_message(1), a_message(None)]) as spans:
        assert spans.onward(None) is None


def test_a_batch_of_several_topics_names_none():
    with recording() as recorded, processing("reference", [a_message(1), a_message(1, topic="access-granted")]):
        pass

    assert [span.name for span in recorded.spans] == ["process"]


@pytest.mark.parametrize("traces", [(1,), (1, 2)])
def test_what_cannot_be_applied_marks_its_own_trace_alone(traces):
    with recording() as recorded, processing("aggregation", [a_message(trace) for trace in traces]) as spans:
        spans.fail_one(a_traceparent(1), "bad_period")

    assert [span.trace for span in recorded.spans if span.failed] == [1]


def test_an_error_marks_every_span_of_the_batch():
    both = [a_message(1), a_message(2)]
    with recording() as recorded, pytest.raises(ZeroDivisionError), processing("aggregation", both):
        raise ZeroDivisionError

    assert {span.attributes[names.ERROR_TYPE] for span in recorded.spans} == {"ZeroDivisionError"}
    assert len(recorded.spans) == 3


def test_without_an_exporter_a_batch_of_one_trace_is_named_in_its_log_lines_and_goes_on_unchanged():
    with processing("aggregation", [a_message(1)]) as spans:
        assert current_ids() == (f"{1:032x}", f"{1:016x}")
        assert spans.onward(a_traceparent(1)) == a_traceparent(1)
    with processing("aggregation", [a_message(1), a_message(2)]) as spans:
        assert current_ids() is None
        assert spans.onward(a_traceparent(2)) == a_traceparent(2)


# -- relays ----------------------------------------------------------------------------------------------------


def test_what_a_relay_sends_goes_on_from_the_span_that_sends_it():
    events = [AnEvent(1), AnEvent(2), AnEvent(None)]
    with recording() as recorded, sending(events, "test-") as spans:
        sent = [dict(spans.headers(event)) for event in events]

    first, second = recorded.all("send test-figures-submitted")
    assert (first.parent, second.parent) == (1, 2)
    assert [headers.get("traceparent") for headers in sent] == [
        first.traceparent.encode(),
        second.traceparent.encode(),
        None,
    ]
    assert first.attributes[names.MESSAGE_ID] == "event-7"
    assert {headers["ce_id"] for headers in sent} == {b"event-7"}


def test_a_trace_has_one_span_per_topic_in_a_round():
    events = [AnEvent(1), AnEvent(1), AnEvent(1, "problems-changed")]
    with recording() as recorded, sending(events, "") as spans:
        sent = [dict(spans.headers(event))["traceparent"] for event in events]
        spans.fail("aborted")

    assert {span.name for span in recorded.spans} == {"send figures-submitted", "send problems-changed"}
    assert len(recorded.spans) == 2
    assert recorded.one("send figures-submitted").attributes[names.MESSAGES] == 2
    assert sent[0] == sent[1] != sent[2]
    assert {span.attributes[names.ERROR_TYPE] for span in recorded.spans} == {"aborted"}


def test_without_an_exporter_a_relay_sends_the_context_that_was_stored():
    event = AnEvent(1)
    with sending([event], "") as spans:
        assert spans.headers(event) == event.headers
