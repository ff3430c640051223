"""What is said of a target goes out on `verdicts-changed`, once for every change, in order, with its trace."""

from __future__ import annotations

import uuid
from datetime import timedelta
from itertools import groupby
from typing import Any, get_args

import orjson
from integration.alerting.service import Service
from support.records import read_committed, write
from support.waiting import eventually
from unit.alerting.builders import ENERGY_TARGET, NOW, SCALE_TARGET, SMES_TARGET, a_catalogue, a_rollup, a_target

from fourones_alerting.domain.verdicts import Verdict
from fourones_shared.events.envelope import data_of, unwrap, wrap
from fourones_shared.events.model import VerdictChanged, VerdictWord

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-b7ad6b7169203331-01"


def _told(service: Service) -> list[VerdictChanged]:
    return [data_of(unwrap(r.value, r.headers), VerdictChanged) for r in _records(service)]


def _records(service: Service) -> list[Any]:
    settings = service.settings
    return read_committed(settings.kafka_bootstrap, settings.topic_prefix, VerdictChanged.TOPIC).first_seen()


def _of(service: Service, target: str) -> list[VerdictChanged]:
    return [event for event in _told(service) if event.target == target]


def test_the_words_of_the_event_are_those_of_the_verdicts() -> None:
    assert set(get_args(VerdictWord)) == {verdict.value for verdict in Verdict}


def test_every_change_of_what_is_said_is_told_once_with_rising_versions(service: Service) -> None:
    with service.worker(), service.api() as reader:
        eventually(lambda: len(_told(service)) == 3)
        service.publisher.publish(a_rollup("20"))
        eventually(lambda: len(_of(service, SMES_TARGET)) == 2)
        # The same figures in another version say nothing new.
        service.publisher.publish(a_rollup("20", version=2))
        service.publisher.publish(a_rollup("21", version=3))
        eventually(lambda: len(_of(service, SMES_TARGET)) == 3)
        answer = reader.assessment(SMES_TARGET)
    first, second, third = _of(service, SMES_TARGET)
    assert [(e.before, e.verdict, e.light) for e in (first, second, third)] == [
        (None, "no_data", "grey"),
        ("no_data", "off_track", "red"),
        ("off_track", "off_track", "red"),
    ]
    assert first.version < second.version < third.version
    written = orjson.loads(third.model_dump_json())
    shared = written.keys() & answer.keys()
    assert {name: written[name] for name in shared} == {name: answer[name] for name in shared}
    assert {"value", "gap", "explanation", "departments", "judged_at", "changed_by"} <= shared


def test_a_removed_target_is_told_as_removed_and_comes_back_as_new(service: Service) -> None:
    with service.worker():
        service.publisher.publish(a_rollup("20"))
        eventually(lambda: service.verdicts().get(SMES_TARGET) == "off_track")
        service.publisher.publish_catalogue(a_catalogue(targets=[a_target("another")]), version=2)
        eventually(lambda: set(service.verdicts()) == {"another"})
        service.publisher.publish_catalogue(version=3)
        eventually(lambda: [e.removed for e in _of(service, SMES_TARGET)][-2:] == [True, False])
    *_, red, removed, back = _of(service, SMES_TARGET)
    assert (removed.verdict, removed.before, removed.changed_by, removed.catalogue_version) == (
        None, "off_track", "catalogue", 2
    )  # fmt: skip
    assert (back.verdict, back.before, back.removed) == ("off_track", None, False)
    assert red.version < removed.version < back.version
    assert {e.target for e in _told(service)} == {SMES_TARGET, SCALE_TARGET, ENERGY_TARGET, "another"}


def test_the_trace_of_the_request_goes_on_in_the_event(service: Service) -> None:
    settings = service.settings
    with service.worker():
        eventually(lambda: len(_told(service)) == 3)
        wire = wrap(a_rollup("20"), event_id=uuid.uuid4().hex, source="/t", time=NOW, traceparent=TRACE)
        write(settings.kafka_bootstrap, settings.topic_prefix, [wire])
        eventually(lambda: len(_of(service, SMES_TARGET)) == 2)
    traces = [dict(r.headers).get("traceparent") for r in _records(service) if r.key == SMES_TARGET.encode()]
    assert traces == [None, TRACE.encode()]


def test_a_database_that_was_lost_goes_on_with_higher_versions(service: Service) -> None:
    with service.worker():
        service.publisher.publish(a_rollup("20"))
        eventually(lambda: [e.verdict for e in _of(service, SMES_TARGET)][-1:] == ["off_track"])
    before = max(e.version for e in _told(service))
    with service.engine.begin() as connection:
        for table in ("assessment", "assessment_revision", "snapshot_taken"):
            connection.exec_driver_sql(f"DELETE FROM {table}")  # noqa: S608
        connection.exec_driver_sql("UPDATE snapshot SET number = 0, taken_at = to_timestamp(0), version = 0")
    service.clock.advance(timedelta(seconds=5))
    with service.worker():
        eventually(lambda: len(_of(service, SMES_TARGET)) == 3)
    assert _of(service, SMES_TARGET)[-1].version > before


def test_the_events_of_a_target_keep_their_order_in_its_partition(service: Service) -> None:
    with service.worker():
        eventually(lambda: len(_told(service)) == 3)
        for version, value in enumerate(("20", "50", "5", "45"), start=1):
            service.publisher.publish(a_rollup(value, version=version))
            eventually(lambda value=value: str(_of(service, SMES_TARGET)[-1].value) == value)  # type: ignore[misc]
    records = _records(service)
    by_key = groupby(sorted(records, key=lambda r: r.key), key=lambda r: r.key)
    partitions = {key: {r.partition for r in group} for key, group in by_key}
    assert all(len(found) == 1 for found in partitions.values())
    versions = [e.version for e in _of(service, SMES_TARGET)]
    assert versions == sorted(versions)
    assert len(versions) == 5
