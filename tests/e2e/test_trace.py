"""One trace from the POST to the notice, through both topics: the processes as they run, their spans by OTLP.

What is asserted are edges: which span is whose child, and what is linked with what.
"""

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from e2e.telling import TOLD, Program, the_catalogue
from integration.alerting.robots import robots
from support.otlp import CollectedSpan, Collector, collector, edges
from support.stack import NewDatabase
from support.waiting import eventually
from unit.alerting.builders import ENERGY, ENERGY_TARGET, ZONE

from fourones_local import loopback
from fourones_local.monitoring import find_binaries
from fourones_local.ports import free_port
from fourones_shared.catalogue.model import Source
from fourones_shared.database.migrate import migrate
from fourones_shared.kafka.topics import ensure_topics
from fourones_shared.topics import all_topics
from fourones_shared.tracing import names

SERVICES = ("submission", "aggregation", "alerting")
# The aggregation API answers questions; no figure passes through it.
PROGRAMS = ("submission-api", "submission-worker", "aggregation-worker", "alerting-api", "alerting-worker")

# Which span is whose child on the way of one figure.
EDGES = {
    ("-", "submission-api: POST /v1/submissions"),
    ("submission-api: POST /v1/submissions", "submission-api: transaction {submission}"),
    ("submission-api: POST /v1/submissions", "submission-worker: send {prefix}figures-submitted"),
    ("submission-worker: send {prefix}figures-submitted", "aggregation-worker: process {prefix}figures-submitted"),
    ("aggregation-worker: process {prefix}figures-submitted", "aggregation-worker: transaction {aggregation}"),
    ("aggregation-worker: process {prefix}figures-submitted", "aggregation-worker: send {prefix}figures-applied"),
    ("aggregation-worker: send {prefix}figures-applied", "submission-worker: process {prefix}figures-applied"),
    ("submission-worker: process {prefix}figures-applied", "submission-worker: transaction {submission}"),
    ("aggregation-worker: process {prefix}figures-submitted", "aggregation-worker: send {prefix}rollups-changed"),
    ("aggregation-worker: send {prefix}rollups-changed", "alerting-worker: process {prefix}rollups-changed"),
    ("alerting-worker: process {prefix}rollups-changed", "alerting-worker: transaction {alerting}"),
    ("alerting-worker: process {prefix}rollups-changed", "alerting-worker: judge"),
    ("alerting-worker: judge", "alerting-api: show verdicts"),
    ("alerting-worker: judge", "alerting-worker: send {prefix}verdicts-changed"),
    ("alerting-worker: judge", "alerting-worker: send {prefix}problems-changed"),
    ("alerting-worker: judge", "alerting-worker: send notice webhook"),
    ("alerting-worker: send notice webhook", "alerting-worker: transaction {alerting}"),
}


@dataclass
class Traced:
    """The running processes, where their spans come in, and the key of the one who reports."""

    programs: dict[str, Program]
    urls: dict[str, str]
    collector: Collector
    words: dict[str, str]
    key: str
    told: list[Any]

    def post(self, period: str, value: str, traceparent: str) -> str:
        """The submission's id."""
        body = {"org": ZONE, "figures": [{"indicator": ENERGY, "period": period, "value": value}]}
        headers = {"Authorization": f"Bearer {self.key}", "traceparent": traceparent}
        url = f"{self.urls['submission-api']}/v1/submissions"
        answer = loopback.post(url, json=body, headers=headers)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["submission_id"])

    def status(self, submission: str) -> str:
        url = f"{self.urls['submission-api']}/v1/submissions/{submission}"
        answer = loopback.get(url, headers={"Authorization": f"Bearer {self.key}"})
        return str(answer.json()["status"])

    def named(self, edge: tuple[str, str]) -> tuple[str, str]:
        return edge[0].format(**self.words), edge[1].format(**self.words)


def a_trace() -> tuple[str, str]:
    """A trace id and the context in which a caller's system sends it."""
    trace_id = secrets.token_hex(16)
    return trace_id, f"00-{trace_id}-{secrets.token_hex(8)}-01"


@pytest.fixture(scope="module")
def traced(
    kafka_bootstrap: str, new_database: NewDatabase, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Traced]:
    folder, prefix = tmp_path_factory.mktemp("trace"), f"test-{secrets.token_hex(6)}-"
    ensure_topics(kafka_bootstrap, all_topics().values(), prefix=prefix)
    with ExitStack() as stack:
        databases = {service: stack.enter_context(new_database()) for service in SERVICES}
        for service, url in databases.items():
            migrate(f"fourones_{service}", url)
        spans, hook = stack.enter_context(collector()), stack.enter_context(robots()).hook()
        channels = {"departments": {TOLD: {"channels": [
            {"name": "hook", "kind": "webhook", "url": hook.url, "token": hook.token}
        ]}}}  # fmt: skip
        (folder / "channels.yaml").write_text(yaml.safe_dump(channels), encoding="utf-8")
        ports: dict[str, int] = {}
        for name in PROGRAMS:
            ports[name] = free_port(ports.values())
        urls = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
        programs = {}
        for name in PROGRAMS:
            service, role = name.split("-")
            settings = {
                "FOURONES_DATABASE_URL": databases[service],
                "FOURONES_KAFKA_BOOTSTRAP": kafka_bootstrap,
                "FOURONES_TOPIC_PREFIX": prefix,
                "FOURONES_PORT": str(ports[name]),
                "FOURONES_CHANNELS_FILE": str(folder / "channels.yaml"),
                # No Prometheus here: the ledger looks by itself.
                "FOURONES_NOTICE_SWEEP_S": "0.5",
                "FOURONES_TELL_UNASKED_AFTER_S": "0",
                "OTEL_EXPORTER_OTLP_ENDPOINT": spans.url,
                "OTEL_BSP_SCHEDULE_DELAY": "200",
            }
            command = [str(Path(sys.executable).parent / f"fourones-{service}"), role]
            programs[name] = Program(name, command, f"{urls[name]}/readyz", folder, settings)
            stack.callback(programs[name].end)
            programs[name].start()
        admin = issued(programs["submission-api"], "admin")
        apply_catalogue(urls["submission-api"], admin)
        for program in programs.values():
            program.wait_ready()
        key = issued(programs["submission-api"], "reporter", "--org", ZONE)
        words = {service: url.rpartition("/")[2] for service, url in databases.items()} | {"prefix": prefix}
        yield Traced(programs, urls, spans, words, key, hook.received)
        # All at once; each is then waited for.
        for program in programs.values():
            program.signal(signal.SIGTERM)


def issued(api: Program, role: str, *more: str) -> str:
    command = [api.command[0], "keys", "issue", "--role", role, "--json", *more]
    environment = {name: value for name, value in (os.environ | api.environment).items() if "OTEL" not in name}
    return str(json.loads(subprocess.run(command, env=environment, check=True, capture_output=True).stdout)["key"])


def apply_catalogue(url: str, key: str) -> None:
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json", "If-None-Match": "*"}

    sources = tuple(Source(id=number, title="a test's own") for number in ("000", "003", "004"))
    catalogue = the_catalogue().model_copy(update={"sources": sources})

    def applied() -> bool:
        try:
            answer = loopback.put(f"{url}/v1/catalogue", content=catalogue.document, headers=headers)
        except httpx.TransportError:
            return False
        if answer.status_code not in {201, 401}:
            pytest.fail(answer.text)
        # The key becomes known within a moment.
        return answer.status_code == 201

    eventually(applied)


def test_one_trace_runs_from_the_request_through_both_topics_to_metric_and_notice(traced: Traced) -> None:
    trace_id, traceparent = a_trace()

    submission = traced.post("2025", "10", traceparent)

    expected = {traced.named(edge) for edge in EDGES}

    def is_whole() -> bool:
        assert expected - edges(traced.collector.of_trace(trace_id)) == set()
        return True

    eventually(is_whole)
    spans = traced.collector.of_trace(trace_id)
    # Nothing hangs in the air: every parent is there, but the caller's.
    roots = [span for span in spans if span.parent_id not in {each.span_id for each in spans}]
    assert [(root.name, root.parent_id) for root in roots] == [("POST /v1/submissions", traceparent.split("-")[2])]
    [request] = roots
    assert request.attributes[names.SUBMISSION_ID] == submission
    [applying] = [span for span in spans if span.name.endswith("figures-submitted") and span.kind == "CONSUMER"]
    assert applying.attributes[names.MESSAGE_ID] == submission
    assert (len(traced.told), [span.failed for span in spans]) == (1, [False] * len(spans))


@pytest.fixture
def prometheus(traced: Traced, tmp_path: Path) -> Iterator[str]:
    """One that scrapes the alerting API and keeps exemplars; its address."""
    binaries, port = find_binaries(), free_port()
    assert binaries is not None, "prometheus is not installed"
    url = f"http://127.0.0.1:{port}"
    scraped = {"targets": [traced.urls["alerting-api"].removeprefix("http://")]}
    jobs = [
        {"job_name": "alerting", "scrape_interval": "500ms", "scrape_timeout": "400ms", "static_configs": [scraped]}
    ]
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump({"scrape_configs": jobs}), encoding="utf-8")
    command = [
        binaries.prometheus,
        f"--config.file={tmp_path / 'prometheus.yml'}",
        f"--storage.tsdb.path={tmp_path / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--enable-feature=exemplar-storage",
    ]
    program = Program("prometheus", command, f"{url}/-/ready", tmp_path)
    program.start()
    program.wait_ready()
    yield url
    program.end()


def test_the_freshness_of_a_figure_names_its_trace_in_prometheus(traced: Traced, prometheus: str) -> None:
    trace_id, traceparent = a_trace()
    traced.post("2025", "11", traceparent)

    def exemplars() -> set[str]:
        query = {"query": "fourones_figure_freshness_seconds_bucket", "start": "0", "end": str(time.time() + 60)}
        answer = loopback.get(f"{prometheus}/api/v1/query_exemplars", params=query).json()
        return {exemplar["labels"]["trace_id"] for series in answer["data"] for exemplar in series["exemplars"]}

    eventually(lambda: trace_id in exemplars())
    # What is not of the client library is scraped in the same format: the verdicts.
    found = loopback.get(f"{prometheus}/api/v1/query", params={"query": "fourones_target_verdict == 1"})
    assert [series["metric"]["verdict"] for series in found.json()["data"]["result"]] == ["off_track"]


def test_traces_that_meet_in_a_batch_stay_whole_and_are_linked(traced: Traced) -> None:
    worker = traced.programs["aggregation-worker"]
    traces = {}
    worker.signal(signal.SIGSTOP)
    try:
        # A fetch may be under way; the broker answers it with the first that comes, and with it alone.
        ahead = traced.post("2021", "5", a_trace()[1])
        eventually(lambda: traced.status(ahead) == "published")
        for period in ("2022", "2023", "2024"):
            trace_id, traceparent = a_trace()
            traces[trace_id] = traced.post(period, "5", traceparent)
        eventually(lambda: {traced.status(submission) for submission in traces.values()} == {"published"})
    finally:
        worker.signal(signal.SIGCONT)

    # What they have in common is not asked of each: the transaction, the verdict, the receipts if they meet again.
    way = {
        traced.named(edge)
        for edge in EDGES
        if "process" not in edge[0] or edge[1].endswith(("rollups-changed", "figures-applied"))
        if "judge" not in edge[0] and "notice" not in edge[0]
    }

    def are_whole() -> bool:
        for trace_id in traces:
            assert way - edges(traced.collector.of_trace(trace_id)) == set()
        return True

    eventually(are_whole)

    def of_the_batch() -> list[CollectedSpan]:
        return [
            span
            for span in traced.collector.spans
            if span.service == "aggregation-worker"
            and span.name.startswith("process batch ")
            and {trace for trace, _ in span.links} >= traces.keys()
        ]

    [batch] = eventually(of_the_batch)
    assert (batch.service, batch.kind, batch.parent_id) == ("aggregation-worker", "CONSUMER", "")
    assert batch.attributes[names.MESSAGES] == len(batch.links)
    # What is done once for all lies in the batch's own trace.
    assert traced.named(
        ("aggregation-worker: " + batch.name, "aggregation-worker: transaction {aggregation}")
    ) in edges(traced.collector.of_trace(batch.trace_id))
    processed = [
        span
        for trace_id in traces
        for span in traced.collector.of_trace(trace_id)
        if span.kind == "CONSUMER" and span.name.endswith("figures-submitted")
    ]
    assert [span.links for span in processed] == [((batch.trace_id, batch.span_id),)] * 3
    assert {span.attributes[names.MESSAGE_ID] for span in processed} == set(traces.values())


def test_nothing_is_recorded_that_is_not_declared(traced: Traced) -> None:
    kinds = set()
    for span in traced.collector.spans:
        [definition] = [
            definition
            for definition in names.SPANS
            if definition.named(span.attributes) == span.name and definition.kind.name == span.kind
        ]
        assert span.attributes.keys() <= definition.attributes | {names.ERROR_TYPE}, span
        kinds.add(definition)
    assert kinds == set(names.SPANS)
    assert {span.resource["service.namespace"] for span in traced.collector.spans} == {"fourones"}
    assert not [span for span in traced.collector.spans if span.attributes.get("url.path") in {"/readyz", "/metrics"}]


def test_log_lines_name_the_trace(traced: Traced) -> None:
    trace_id, traceparent = a_trace()
    submission = traced.post("2025", "15", traceparent)
    eventually(lambda: len(traced.told) >= 1 and traced.status(submission) == "applied")

    def lines() -> list[dict[str, Any]]:
        return [
            line
            for program in traced.programs.values()
            for text in (program.folder / f"{program.name}.log").read_text(encoding="utf-8").splitlines()
            if text.startswith("{") and (line := json.loads(text)).get("trace_id") == trace_id
        ]

    eventually(lambda: {"submission accepted", "verdict"} <= {line["event"] for line in lines()})
    [accepted] = [line for line in lines() if line["event"] == "submission accepted"]
    assert (accepted["submission_id"], accepted["org"], accepted["figures"]) == (submission, ZONE, 1)
    [verdict] = [line for line in lines() if line["event"] == "verdict"]
    assert (verdict["target"], verdict["service"]) == (ENERGY_TARGET, "alerting-worker")
    assert all(line["span_id"] for line in lines())
