"""One trace from the request to the last effect: what is recorded (`names`), how, and where it goes.

The only package that knows OpenTelemetry (`make contracts` checks it). See docs/tracing.md.
"""

from fourones_shared.tracing import names
from fourones_shared.tracing.context import is_context
from fourones_shared.tracing.exporting import configure_tracing, end_tracing
from fourones_shared.tracing.spans import (
    Parent,
    Spans,
    Traced,
    annotate,
    contexts,
    current_ids,
    current_traceparent,
    is_recording,
    is_within_a_recorded_span,
    one_each,
    recorded_traceparent,
    span,
    started,
    trace_id_of,
    use,
    within,
)

__all__ = [
    "Parent",
    "Spans",
    "Traced",
    "annotate",
    "configure_tracing",
    "contexts",
    "current_ids",
    "current_traceparent",
    "end_tracing",
    "is_context",
    "is_recording",
    "is_within_a_recorded_span",
    "names",
    "one_each",
    "recorded_traceparent",
    "span",
    "started",
    "trace_id_of",
    "use",
    "within",
]
