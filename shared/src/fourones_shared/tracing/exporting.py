"""Handing spans to a collector by OTLP over HTTP, when OpenTelemetry's standard variables say so.

`OTEL_EXPORTER_OTLP_ENDPOINT` (or `…_TRACES_ENDPOINT`) switches it on; `OTEL_SDK_DISABLED=true` and
`OTEL_TRACES_EXPORTER=none` switch it off. `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_TRACES_SAMPLER`,
`OTEL_BSP_*` and the other `OTEL_EXPORTER_OTLP_*` are read by the SDK itself.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Mapping
from importlib.metadata import version

import structlog

from fourones_shared.tracing.spans import use

log = structlog.get_logger(__name__)

# A collector that is away must not hold up the end of a process, which has other things to put away in its time.
LAST_SPANS_S = 2.0


def is_wanted(environment: Mapping[str, str]) -> bool:
    """Whether the standard variables ask for spans."""
    disabled = environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    exporter = environment.get("OTEL_TRACES_EXPORTER", "").strip().lower()
    addresses = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
    return not disabled and exporter != "none" and any(environment.get(name, "").strip() for name in addresses)


def configure_tracing(service: str) -> None:
    """Record and export the spans of this process, if that is asked for; once, before anything is traced.

    Args:
        service: name and role, such as `submission-api`; OTEL_SERVICE_NAME goes before it.
    """
    if not is_wanted(os.environ):
        return
    # Only now: a process that exports nothing need not load what exports (a quarter of a second, ten megabytes).
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    ours = {
        "service.name": service,
        "service.namespace": "fourones",
        "service.version": version("fourones-shared"),
        "service.instance.id": f"{socket.gethostname()}:{os.getpid()}",
    }
    given = OTELResourceDetector().detect().attributes
    resource = Resource.create({name: value for name, value in ours.items() if name not in given})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    use(provider)
    _exporting.append(provider.shutdown)
    log.info("spans are exported", resource=dict(resource.attributes))


def end_tracing() -> None:
    """Hand over the last spans, as far as that goes in a moment."""
    while _exporting:
        last = threading.Thread(target=_exporting.pop(), name="last-spans", daemon=True)
        last.start()
        last.join(LAST_SPANS_S)
        use(None)


_exporting: list[Callable[[], None]] = []
"""How to end what exports; one at most."""
