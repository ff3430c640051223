import pytest
from opentelemetry.trace import SpanKind
from unit.shared.tracing.recording import recording

from fourones_shared.tracing import (
    annotate,
    contexts,
    current_ids,
    current_traceparent,
    names,
    one_each,
    recorded_traceparent,
    span,
    trace_id_of,
    within,
)
from fourones_shared.tracing.names import Attributes
from fourones_shared.tracing.spans import TRACES_AT_MOST

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


def a_traceparent(number: int) -> str:
    return f"00-{number:032x}-00f067aa0ba902b7-01"


# -- where nothing is exported ---------------------------------------------------------------------------------


def test_without_an_exporter_the_ids_are_carried_on_all_the_same():
    with span(names.JUDGE, parent=TRACEPARENT) as traced:
        ids = current_ids()
        assert current_traceparent() == traced.traceparent
        assert recorded_traceparent() is None

    assert ids is not None
    assert ids[0] == TRACE
    assert ids[1] not in TRACEPARENT
    assert traced.traceparent.endswith("-01")
    assert current_traceparent() is current_ids() is None


def test_without_an_exporter_stored_contexts_stay_as_they_are():
    with one_each(names.JUDGE, {TRACEPARENT: {}}) as spans:
        assert spans.onward(TRACEPARENT) == TRACEPARENT
        assert spans.onward(None) is None


def test_log_lines_can_name_a_trace_without_a_span():
    with within(TRACEPARENT):
        assert current_ids() == (TRACE, "00f067aa0ba902b7")
    with within("nonsense"):
        assert current_ids() is None


def test_the_trace_id_of_a_stored_context():
    assert (trace_id_of(TRACEPARENT), trace_id_of(None)) == (TRACE, None)


# -- where spans are recorded ----------------------------------------------------------------------------------


def test_a_span_is_child_of_a_stored_context_or_of_the_one_that_is_open():
    with recording() as recorded, span(names.SHOW, parent=TRACEPARENT), span(names.JUDGE, {names.ROLLUPS: 3}):
        annotate({names.ROLLUPS: 4})

    shown, judged = recorded.one("show verdicts"), recorded.one("judge")
    assert (shown.kind, shown.parent, shown.trace) == (SpanKind.INTERNAL, 0x00F067AA0BA902B7, int(TRACE, 16))
    assert judged.parent == shown.id
    assert judged.attributes == {names.ROLLUPS: 4}


@pytest.mark.parametrize("parent", [None, "nonsense"])
def test_without_a_context_a_span_begins_a_trace_even_within_another(parent):
    with recording() as recorded, span(names.SHOW), span(names.JUDGE, parent=parent):
        pass

    assert recorded.one("judge").parent == 0


def test_a_name_is_made_of_attributes_and_follows_them():
    with recording() as recorded, span(names.REQUEST, {names.HTTP_METHOD: "GET"}) as traced:
        traced.add({names.HTTP_ROUTE: "/v1/rollups"})
    with recording() as unmatched, span(names.REQUEST, {names.HTTP_METHOD: "GET"}):
        pass

    assert [each.name for each in recorded.spans] == ["GET /v1/rollups"]
    assert [each.name for each in unmatched.spans] == ["GET"]


def test_an_error_marks_the_span_by_its_kind_and_keeps_its_words_out():
    with recording() as recorded, pytest.raises(ZeroDivisionError), span(names.JUDGE):
        raise ZeroDivisionError("123.4 亿元")

    failed = recorded.one("judge")
    assert failed.failed
    assert failed.attributes == {names.ERROR_TYPE: "ZeroDivisionError"}
    assert failed.words == (None,)


def test_each_of_several_traces_has_its_span_and_goes_on_from_it():
    several = {a_traceparent(n): {names.ROLLUPS: n} for n in (1, 2)}
    with (
        recording() as recorded,
        span(names.SHOW, parent=None) as meeting,
        one_each(names.JUDGE, several | {"nonsense": {}}, link=meeting.context) as spans,
    ):
        onward = [spans.onward(traceparent) for traceparent in several]
        assert spans.onward("nonsense") == "nonsense"

    judged = recorded.all("judge")
    assert [each.trace for each in judged] == [1, 2]
    assert [each.traceparent for each in judged] == onward
    assert [each.links for each in judged] == [((meeting.context.trace_id, meeting.context.span_id),)] * 2


def test_of_very_many_traces_the_last_go_on_with_the_context_that_they_came_with():
    many: dict[str, Attributes] = {a_traceparent(n): {} for n in range(1, TRACES_AT_MOST + 2)}
    with recording() as recorded, one_each(names.JUDGE, many) as spans:
        onward = [spans.onward(traceparent) for traceparent in many]

    assert len(recorded.spans) == TRACES_AT_MOST
    assert onward[-1] == list(many)[-1]
    assert onward[0] != next(iter(many))
    assert len(contexts(many)) == TRACES_AT_MOST


def test_links_are_to_each_context_once():
    found = contexts([TRACEPARENT, None, a_traceparent(7), TRACEPARENT, "nonsense"])

    assert [context.trace_id for context in found] == [int(TRACE, 16), 7]
