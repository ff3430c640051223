"""Opening spans: recorded where spans are exported, else only their ids are carried on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import Enum, auto
from types import MappingProxyType
from typing import Final

from opentelemetry import context as otel
from opentelemetry import trace
from opentelemetry.trace import Link, NonRecordingSpan, Span, SpanContext, Status, StatusCode, Tracer, TracerProvider

from fourones_shared.tracing.context import continued, formatted, parsed
from fourones_shared.tracing.names import ERROR_TYPE, Attributes, SpanDefinition, Value

# A batch in which many traces meet has spans of its own for so many of them, and the others go on with the context that
# they came with: their spans cost then less than the transaction that they share, and stay below the 128 links that the
# SDK keeps of one span.
TRACES_AT_MOST = 64
NOTHING: Attributes = MappingProxyType({})


class Parent(Enum):
    """Whose child a span is, where that is no stored context."""

    CURRENT = auto()
    """The span that is open here; without one it begins a trace."""


class _Exporting:
    """The process's tracer; none while nothing is exported."""

    tracer: Tracer | None = None


_process: Final = _Exporting()


def use(provider: TracerProvider | None) -> None:
    """Record the spans of this process with `provider` from now on; with None only carry contexts."""
    _process.tracer = None if provider is None else provider.get_tracer("fourones")


def is_recording() -> bool:
    """Whether this process records spans at all."""
    return _process.tracer is not None


def is_within_a_recorded_span() -> bool:
    """Whether the span that is open here is recorded."""
    return trace.get_current_span().is_recording()


def current_traceparent() -> str | None:
    """The `traceparent` of the span that is open here, or None outside of one."""
    context = trace.get_current_span().get_span_context()
    return formatted(context) if context.is_valid else None


def recorded_traceparent() -> str | None:
    """The same, but None where that span is not recorded: for what no request has brought about."""
    span = trace.get_current_span()
    return formatted(span.get_span_context()) if span.is_recording() else None


def current_ids() -> tuple[str, str] | None:
    """Trace id and span id as log lines show them, or None outside of a span."""
    context = trace.get_current_span().get_span_context()
    return (f"{context.trace_id:032x}", f"{context.span_id:016x}") if context.is_valid else None


def trace_id_of(traceparent: str | None) -> str | None:
    """The trace id in a stored context."""
    context = parsed(traceparent)
    return None if context is None else f"{context.trace_id:032x}"


def annotate(attributes: Attributes) -> None:
    """Add to the span that is open here."""
    span = trace.get_current_span()
    if span.is_recording():
        span.set_attributes(attributes)


class Traced:
    """An open span."""

    __slots__ = ("_attributes", "_definition", "_span")

    def __init__(self, definition: SpanDefinition, attributes: Attributes, span: Span) -> None:
        self._definition = definition
        self._attributes = attributes
        self._span = span

    @property
    def context(self) -> SpanContext:
        """Its ids."""
        return self._span.get_span_context()

    @property
    def traceparent(self) -> str:
        """Its context for whoever carries it on."""
        return formatted(self._span.get_span_context())

    def add(self, attributes: Mapping[str, Value]) -> None:
        """Add attributes, to the name too where it is made of them."""
        if self._span.is_recording():
            self._attributes = {**self._attributes, **attributes}
            self._span.set_attributes(attributes)
            self._span.update_name(self._definition.named(self._attributes))

    def fail(self, error: BaseException | str) -> None:
        """Mark it as failed: by an exception, or by a word for what went wrong."""
        if self._span.is_recording():
            said = error if isinstance(error, str) else type(error).__qualname__
            self._span.set_attribute(ERROR_TYPE, said)
            # The words of an exception may hold what was reported; log lines and dead letters have them.
            self._span.set_status(Status(StatusCode.ERROR))

    def end(self) -> None:
        """End it; only for spans that `started` gave."""
        self._span.end()

    @contextmanager
    def current(self) -> Iterator[None]:
        """Run the block with it as the current span; an exception marks it as failed."""
        token = otel.attach(trace.set_span_in_context(self._span))
        try:
            yield
        except BaseException as error:
            self.fail(error)
            raise
        finally:
            otel.detach(token)


def started(
    definition: SpanDefinition,
    attributes: Attributes = NOTHING,
    *,
    parent: Parent | str | None = Parent.CURRENT,
    links: Iterable[SpanContext] = (),
) -> Traced:
    """A span that its caller ends, and that is not the current one meanwhile.

    Args:
        definition: which.
        attributes: those known at its beginning.
        parent: a stored `traceparent`, or whose child it is; with None, or text that is no context, it begins a trace.
        links: contexts of spans that it has to do with and is no child of.
    """
    above = _above(parent)
    tracer = _process.tracer
    if tracer is None:
        return Traced(definition, attributes, NonRecordingSpan(continued(above)))
    context = otel.Context() if above is None else trace.set_span_in_context(NonRecordingSpan(above), otel.Context())
    span = tracer.start_span(
        definition.named(attributes),
        context=context,
        kind=definition.kind,
        attributes=attributes,
        links=[Link(to) for to in links] or None,
    )
    return Traced(definition, attributes, span)


@contextmanager
def span(
    definition: SpanDefinition,
    attributes: Attributes = NOTHING,
    *,
    parent: Parent | str | None = Parent.CURRENT,
    links: Iterable[SpanContext] = (),
) -> Iterator[Traced]:
    """Run the block in a span, which is the current one meanwhile; an exception marks it as failed. As `started`."""
    traced = started(definition, attributes, parent=parent, links=links)
    try:
        with traced.current():
            yield traced
    finally:
        traced.end()


@contextmanager
def within(traceparent: str | None) -> Iterator[None]:
    """Run the block in a stored context, without a span of its own: for log lines."""
    context = parsed(traceparent)
    if context is None:
        yield
        return
    token = otel.attach(trace.set_span_in_context(NonRecordingSpan(context)))
    try:
        yield
    finally:
        otel.detach(token)


class Spans:
    """One open span for each of several traces, and the context by which each goes on.

    Args:
        opened: by the context that came.
        others: what goes on without a trace of its own is part of this one, where there is one.
    """

    def __init__(self, opened: Mapping[str, Traced], others: Traced | None = None) -> None:
        self._opened = opened
        self._others = others

    def beside(self, others: Traced) -> Spans:
        """The same, with a span for what goes on without a trace of its own."""
        return Spans(self._opened, others)

    def onward(self, traceparent: str | None) -> str | None:
        """The context to carry on in place of the one that came."""
        traced = self._others if traceparent is None else self._opened.get(traceparent)
        return traceparent if traced is None else traced.traceparent

    def fail(self, error: BaseException | str) -> None:
        """Mark all of them as failed."""
        for traced in self._opened.values():
            traced.fail(error)

    def fail_one(self, traceparent: str | None, error: BaseException | str) -> None:
        """Mark that of one trace as failed."""
        traced = self._others if traceparent is None else self._opened.get(traceparent)
        if traced is not None:
            traced.fail(error)


_NO_SPANS = Spans({})


@contextmanager
def one_each(
    definition: SpanDefinition, traces: Mapping[str, Attributes], *, link: SpanContext | None = None
) -> Iterator[Spans]:
    """Run the block in one span for each trace, none of them the current one; at most `TRACES_AT_MOST`.

    Args:
        definition: which.
        traces: the contexts that came, each with its span's attributes; what is no context has none.
        link: the span in which these traces meet.
    """
    if _process.tracer is None or not traces:
        yield _NO_SPANS
        return
    links = [] if link is None else [link]
    opened: dict[str, Traced] = {}
    for traceparent, attributes in traces.items():
        if len(opened) == TRACES_AT_MOST:
            break
        if parsed(traceparent) is not None:
            opened[traceparent] = started(definition, attributes, parent=traceparent, links=links)
    spans = Spans(opened)
    try:
        yield spans
    except BaseException as error:
        spans.fail(error)
        raise
    finally:
        for traced in opened.values():
            traced.end()


def contexts(traceparents: Iterable[str | None]) -> Sequence[SpanContext]:
    """The distinct contexts among these, in order, at most `TRACES_AT_MOST`: for links."""
    found = (parsed(each) for each in dict.fromkeys(traceparents))
    return [context for context in found if context is not None][:TRACES_AT_MOST]


def _above(parent: Parent | str | None) -> SpanContext | None:
    if parent is Parent.CURRENT:
        context = trace.get_current_span().get_span_context()
        return context if context.is_valid else None
    return parsed(parent) if isinstance(parent, str) else None
