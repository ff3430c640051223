"""W3C trace context as text: what travels in headers, in the outbox and in rows.

Source: W3C Recommendation "Trace Context", section 3.2 (`traceparent`). `tracestate`, which is the tracing systems'
own, is not carried on.
"""

from __future__ import annotations

import random
import re

from opentelemetry.trace import SpanContext, TraceFlags

# Of a version to come, the first four fields are read and the rest is left alone, as the recommendation asks.
_TRACEPARENT = re.compile(r"(?!ff)([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?\Z", re.ASCII)
_NO_FLAGS = TraceFlags(TraceFlags.DEFAULT)


def parsed(traceparent: str | None) -> SpanContext | None:
    """The context that a `traceparent` stands for; None for none, and for text that is none."""
    found = _TRACEPARENT.match(traceparent) if traceparent else None
    if found is None or (found[1] == "00" and found[5]):
        return None
    trace_id, span_id = int(found[2], 16), int(found[3], 16)
    if not trace_id or not span_id:
        return None
    return SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(int(found[4], 16)))


def is_context(traceparent: str | None) -> bool:
    """Whether text, from wherever it came, is a trace context."""
    return parsed(traceparent) is not None


def formatted(context: SpanContext) -> str:
    """A context as `traceparent`."""
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags & 0x03:02x}"


def continued(parent: SpanContext | None) -> SpanContext:
    """The context of a step that nobody records: of its parent's trace, or of a new one, with an id of its own."""
    span_id = random.getrandbits(64) or 1
    if parent is not None:
        return SpanContext(parent.trace_id, span_id, is_remote=False, trace_flags=parent.trace_flags)
    trace_id = random.getrandbits(128) or 1
    return SpanContext(trace_id, span_id, is_remote=False, trace_flags=_NO_FLAGS)
