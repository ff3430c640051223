"""Spans of this process, recorded for a test."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from fourones_shared.tracing import use


@dataclass(frozen=True)
class Seen:
    """A span that has ended; `parent` is 0 where it begins a trace, `links` are (trace, span)."""

    name: str
    kind: SpanKind
    trace: int
    id: int
    parent: int
    attributes: Mapping[str, Any]
    links: tuple[tuple[int, int], ...]
    failed: bool
    words: tuple[Any, ...]
    traceparent: str


class Recorded:
    """What has ended so far."""

    def __init__(self, exporter: InMemorySpanExporter) -> None:
        self._exporter = exporter

    @property
    def spans(self) -> Sequence[Seen]:
        return [_seen(span) for span in self._exporter.get_finished_spans()]

    def all(self, name: str) -> list[Seen]:
        return [span for span in self.spans if span.name == name]

    def one(self, name: str) -> Seen:
        [span] = self.all(name)
        return span

    def edges(self) -> set[tuple[str, str]]:
        """(parent, child) by name; `-` for a parent that is not among them."""
        names = {span.id: span.name for span in self.spans}
        return {(names.get(span.parent, "-"), span.name) for span in self.spans}


@contextmanager
def recording() -> Iterator[Recorded]:
    """Record spans of this process, and nothing afterwards."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    use(provider)
    try:
        yield Recorded(exporter)
    finally:
        use(None)
        provider.shutdown()


def _seen(span: ReadableSpan) -> Seen:
    assert span.context is not None
    return Seen(
        name=span.name,
        kind=span.kind,
        trace=span.context.trace_id,
        id=span.context.span_id,
        parent=span.parent.span_id if span.parent else 0,
        attributes=dict(span.attributes or {}),
        links=tuple((link.context.trace_id, link.context.span_id) for link in span.links),
        failed=span.status.status_code is StatusCode.ERROR,
        words=(span.status.description, *span.events),
        traceparent=f"00-{span.context.trace_id:032x}-{span.context.span_id:016x}-{span.context.trace_flags:02x}",
    )
