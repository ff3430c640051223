"""What is served, and what is judged, while the service starts or its neighbours are away."""

from datetime import timedelta

import pytest
from integration.alerting.service import Reader, Service, a_service
from support.waiting import eventually
from unit.alerting.builders import SMES_TARGET, a_rollup

from fourones_local.kafka import KafkaNode
from fourones_local.process import ServerProcess


def test_stored_verdicts_are_served_while_the_broker_is_away_and_nothing_is_judged(
    service: Service, kafka_node: ServerProcess[KafkaNode]
) -> None:
    with service.worker():
        service.publisher.publish(a_rollup("20"))
        eventually(lambda: service.verdicts().get(SMES_TARGET) == "off_track")
    before = service.rows("SELECT * FROM assessment ORDER BY target")
    kafka_node.stop()
    try:
        with service.worker(caught_up=False) as worker, service.api() as reader:
            eventually(lambda: reader.series("fourones_target_off_track", target=SMES_TARGET) == [1.0])
            eventually(lambda: reader.get("/v1/assessments").status_code == 200)
            assert reader.assessment(SMES_TARGET)["verdict"] == "off_track"
            assert not service.is_ready(worker)
            assert service.rows("SELECT * FROM assessment ORDER BY target") == before
            kafka_node.start()
            eventually(lambda: service.is_ready(worker))
            service.publisher.publish(a_rollup("50", version=2))
            eventually(lambda: reader.assessment(SMES_TARGET)["verdict"] == "on_track")
    finally:
        kafka_node.start()


def test_a_history_that_came_while_nobody_listened_is_judged_once_and_whole(service: Service) -> None:
    months = [(f"2026-0{n}", str(9 * n)) for n in range(1, 5)]
    service.publisher.publish(
        *(a_rollup(value, period=period, version=n) for n, (period, value) in enumerate(months, start=1))
    )
    with service.worker():
        eventually(lambda: service.verdicts().get(SMES_TARGET) not in {None, "no_data"})
        assert service.rows("SELECT count(*) FROM assessment_revision")[0][0] == 0


def test_an_installation_without_a_catalogue_has_judged_everything_when_its_first_one_comes(
    kafka_bootstrap: str, migrated_url: str, topic_prefix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with a_service(kafka_bootstrap, migrated_url, topic_prefix) as service, service.worker(caught_up=False) as url:
        worker = Reader(url, key="")
        # The gauge is the process's own: an hour that no other test has.
        service.clock.advance(timedelta(hours=3, minutes=17))
        # There was nothing to read: it has started, and has looked at the day without knowing what to judge.
        eventually(lambda: "caught up with what was there at the start" in capsys.readouterr().out)
        service.publisher.publish_catalogue()
        judged_at = service.clock.now().timestamp()
        eventually(lambda: worker.series("fourones_judging_everything_timestamp_seconds") == [judged_at])
        assert worker.series("fourones_judging_everything_targets") == [3.0]
        assert set(service.verdicts().values()) == {"no_data"}


def test_two_workers_judge_each_event_once(service: Service) -> None:
    with service.worker(), service.worker():
        for version in range(1, 6):
            service.publisher.publish(a_rollup(str(20 + version), version=version))
        eventually(lambda: service.rows("SELECT value FROM assessment WHERE target = :t", t=SMES_TARGET)[0].value == 25)
        assert service.rows("SELECT count(*) FROM rollup_version")[0][0] == 5


def test_a_record_that_is_no_rollup_is_set_aside_and_the_rest_goes_on(service: Service) -> None:
    with service.worker():
        service.publisher.publish(a_rollup("20", version=10**30), a_rollup("50", version=2))
        eventually(lambda: service.verdicts().get(SMES_TARGET) == "on_track")
        eventually(lambda: [row.topic for row in service.rows("SELECT topic FROM dead_letter")])
