import os
import subprocess
import sys

import pytest
from support.otlp import collector

from fourones_shared.tracing.exporting import is_wanted

ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}
# A process of its own: what a process exports is settled once.
PROGRAM = """
from fourones_shared.tracing import configure_tracing, end_tracing, is_recording, names, span
configure_tracing("judge-worker")
with span(names.JUDGE, {names.ROLLUPS: 2}):
    pass
end_tracing()
assert not is_recording()
print("ended")
"""


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({}, False),
        (ENDPOINT, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://collector:4318/v1/traces"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": " "}, False),
        (ENDPOINT | {"OTEL_SDK_DISABLED": "True"}, False),
        (ENDPOINT | {"OTEL_TRACES_EXPORTER": "none"}, False),
        (ENDPOINT | {"OTEL_TRACES_EXPORTER": "otlp"}, True),
    ],
)
def test_spans_are_exported_where_the_standard_variables_ask_for_it(environment, wanted):
    assert is_wanted(environment) is wanted


def test_the_last_spans_go_out_with_the_process_and_say_whose_they_are():
    with collector() as collected:
        run(OTEL_EXPORTER_OTLP_ENDPOINT=collected.url, OTEL_RESOURCE_ATTRIBUTES="deployment.environment.name=test")

        [span] = collected.spans
    assert (span.name, span.attributes) == ("judge", {"fourones.rollups": 2})
    assert {name: span.resource[name] for name in ("service.name", "service.namespace")} == {
        "service.name": "judge-worker", "service.namespace": "fourones"
    }  # fmt: skip
    assert span.resource["deployment.environment.name"] == "test"


def test_the_standard_variable_for_the_services_name_goes_first():
    with collector() as collected:
        run(OTEL_EXPORTER_OTLP_ENDPOINT=collected.url, OTEL_SERVICE_NAME="other")

        assert {span.service for span in collected.spans} == {"other"}


def test_a_sampler_that_takes_nothing_records_nothing():
    with collector() as collected:
        run(OTEL_EXPORTER_OTLP_ENDPOINT=collected.url, OTEL_TRACES_SAMPLER="always_off")

        assert not collected.spans


def test_a_collector_that_is_away_keeps_no_process_from_ending():
    # Nothing listens there.
    assert "ended" in run(OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1")


def run(**environment: str) -> str:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    command = [sys.executable, "-c", PROGRAM]
    return subprocess.run(command, env=clean | environment, check=True, capture_output=True, text=True).stdout
