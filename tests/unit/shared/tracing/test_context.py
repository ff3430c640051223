import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fourones_shared.tracing.context import continued, formatted, parsed

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def test_a_context_is_read_and_written_alike():
    context = parsed(TRACEPARENT)

    assert context is not None
    assert (context.is_remote, context.trace_flags.sampled) == (True, True)
    assert formatted(context) == TRACEPARENT


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "00",
        TRACEPARENT.upper(),
        TRACEPARENT + "-more",
        TRACEPARENT.replace("00-", "ff-", 1),
        "00-" + "0" * 32 + "-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-" + "0" * 16 + "-01",
        TRACEPARENT + "\n",
        "中",
    ],
)
def test_what_is_no_context_is_none(text):
    assert parsed(text) is None


def test_of_a_version_to_come_the_known_fields_are_read():
    context = parsed(TRACEPARENT.replace("00-", "01-", 1) + "-what-comes")

    assert context is not None
    assert formatted(context) == TRACEPARENT


@given(st.integers(1, 2**128 - 1), st.integers(1, 2**64 - 1), st.booleans())
def test_a_step_that_nobody_records_stays_in_its_trace_with_an_id_of_its_own(trace, span, sampled):
    parent = parsed(f"00-{trace:032x}-{span:016x}-{int(sampled):02x}")
    assert parent is not None

    step = continued(parent)

    assert (step.trace_id, step.trace_flags) == (trace, int(sampled))
    assert step.span_id != span


def test_without_a_parent_a_step_begins_a_trace_that_nobody_has_recorded():
    assert re.fullmatch("00-[0-9a-f]{32}-[0-9a-f]{16}-00", formatted(continued(None)))
    assert continued(None).trace_id != continued(None).trace_id
