"""What is served, and what is judged, while the service starts or its neighbours are away."""

from integration.alerting.service import Service
from support.waiting import eventually
from unit.alerting.builders import SMES_TARGET, a_rollup

from fourones_alerting.bootstrap import PACKAGE
from fourones_local.kafka import KafkaNode
from fourones_local.process import ServerProcess
from fourones_shared.database.migrate import check, migrate


def test_the_migrations_make_what_the_models_say(database_url: str) -> None:
    migrate(PACKAGE, database_url)
    check(PACKAGE, database_url)


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
