"""W3C trace context, carried from the request through the outbox and Kafka to the last effect."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_PROPAGATOR = TraceContextTextMapPropagator()


def configure_tracing(service: str) -> None:
    """Give the process a tracer; without an exporter spans cost little and still carry their ids on."""
    trace.set_tracer_provider(TracerProvider(resource=Resource.create({SERVICE_NAME: service})))


def current_traceparent() -> str | None:
    """The `traceparent` of the current span, or None outside of one."""
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier)
    return carrier.get("traceparent")


@contextmanager
def continued(traceparent: str | None, name: str, kind: trace.SpanKind = trace.SpanKind.INTERNAL) -> Iterator[None]:
    """Run the block in a span that is a child of `traceparent`, or the root of a new trace without one."""
    parent = _PROPAGATOR.extract({"traceparent": traceparent}) if traceparent else otel_context.Context()
    with trace.get_tracer("fourones").start_as_current_span(name, context=parent, kind=kind):
        yield
