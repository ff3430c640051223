"""From roll-ups on Kafka to the pillars' scores in the metrics."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from integration.alerting.service import Reader, Service, a_service
from support.waiting import eventually
from unit.alerting.builders import CITY, CLUSTER, DEPARTMENT, NOW, a_catalogue, a_target, an_indicator

from fourones_alerting.metrics.pillars import PillarWindow
from fourones_shared.catalogue.duties import due_at
from fourones_shared.catalogue.model import Catalogue
from fourones_shared.domain.periods import Period
from fourones_shared.events.model import Cause, Coverage, RollupChanged, Status

PILLAR = "task-force"
MEETINGS, REPORTS = "dispatch-meetings", "monthly-reports"


def a_count(key: str, frequency: str) -> dict[str, Any]:
    reporting = {"by": "cluster-lead", "frequency": frequency, "due_days": 7, "may_not_apply": [CITY]}
    words = {"kind": "flow", "covers": "period", "clusters": [CLUSTER], "pillar": PILLAR, "unit": "次"}
    return an_indicator(key, reporting=reporting, **words)


def a_promise(key: str, per: str) -> dict[str, Any]:
    words = {"indicator": key, "pillar": PILLAR, "cluster": CLUSTER, "value": "1", "unit": "次"}
    return a_target(f"{key}-target", **words, per=per, by=None, baseline=None, responsible={"lead": DEPARTMENT})


def the_catalogue(*more: dict[str, Any]) -> Catalogue:
    return a_catalogue(
        pillars=[{"id": PILLAR, "name": "一个工作专班", "source": "004"}],
        indicators=[a_count(MEETINGS, "W"), a_count(REPORTS, "M")],
        targets=[a_promise(MEETINGS, "week"), *more],
    )


def a_rollup(
    period: str, value: int | None, *, indicator: str = MEETINGS, version: int = 1, expected: int = 1
) -> RollupChanged:
    """A pillar's count of the cluster."""
    reported = int(value is not None)
    return RollupChanged(
        indicator=indicator,
        org="_T",
        cluster=CLUSTER,
        tier="_T",
        period=period,
        version=version,
        value=value,
        unit="次",
        status=Status.NORMAL,
        coverage=Coverage(reported=reported, expected=expected, missing=(CITY,)[: expected - reported]),
        due_at=due_at(the_catalogue().indicator[indicator], Period.parse(period)),
        cause=Cause.NEW_DATA,
        catalogue_version=1,
        snapshot=version,
        recorded_at=NOW,
        accepted_at=NOW,
    )


@pytest.fixture
def service(kafka_bootstrap: str, migrated_url: str, topic_prefix: str) -> Any:
    with a_service(kafka_bootstrap, migrated_url, topic_prefix) as made:
        made.publisher.publish_catalogue(the_catalogue())
        made.key = made.publisher.grant()
        yield made


def window(service: Service) -> PillarWindow:
    return PillarWindow(service.engine, service.clock, lambda: (1, the_catalogue()))


def shows(reader: Reader, period_type: str, *values: float) -> None:
    labels = {"cluster": CLUSTER, "pillar": PILLAR, "period_type": period_type}
    eventually(lambda: reader.series("fourones_pillar_score_ratio", **labels) == list(values))


def test_a_pillars_score_follows_what_arrives_what_is_corrected_and_what_is_excused(service: Service) -> None:
    # NOW is 20 May 2026: April has the weeks 14 to 18, the last of them due since the 10th.
    weeks = [f"2026-W{n}" for n in range(14, 19)]
    with service.worker(), service.api() as reader:
        shows(reader, "month", 0.0)
        service.publisher.publish(*(a_rollup(week, 1) for week in weeks[:3]), a_rollup(weeks[3], 0))
        shows(reader, "month", 0.6)
        service.publisher.publish(a_rollup(weeks[3], 3, version=2))
        shows(reader, "month", 0.8)
        service.publisher.publish(a_rollup(weeks[4], None, expected=0))
        shows(reader, "month", 1.0)


def test_the_clock_moves_it_on_to_the_next_month(service: Service) -> None:
    with service.worker(), service.api() as reader:
        service.publisher.publish(*(a_rollup(f"2026-W{n}", 1) for n in range(14, 19)))
        shows(reader, "month", 1.0)
        # The weeks 19 to 22 belong to May; by the 9th of June nobody has reported them.
        service.clock.advance(timedelta(days=20))
        shows(reader, "month", 0.0)


def test_months_quarters_and_years_have_a_series_each_of_their_own_latest_period(service: Service) -> None:
    with service.worker(), service.api() as reader:
        service.publisher.publish(*(a_rollup(f"2026-W{n:02d}", 1) for n in range(2, 8)))
        shows(reader, "month", 0.0)
        # The first quarter has the weeks 2 to 13, the first having begun before the duty; no year has ended.
        shows(reader, "quarter", 0.5)
        shows(reader, "year")


def test_a_new_target_moves_the_score_with_the_catalogue_that_brings_it(service: Service) -> None:
    with service.worker(), service.api() as reader:
        service.publisher.publish(*(a_rollup(f"2026-W{n}", 1) for n in range(14, 19)))
        shows(reader, "month", 1.0)
        service.publisher.publish_catalogue(the_catalogue(a_promise(REPORTS, "month")), version=2)
        shows(reader, "month", 0.5)
        service.publisher.publish_catalogue(the_catalogue(), version=3)
        shows(reader, "month", 1.0)


def test_before_a_target_has_been_judged_silence_is_not_shown_as_nothing_reached(service: Service) -> None:
    with service.worker():
        eventually(lambda: len(service.verdicts()) == 1)
    judged = window(service)
    judged.look()
    assert b'period_type="month"} 0.0' in judged.text()
    with service.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM assessment")
    for shown in (judged, window(service)):
        shown.look()
        assert b"period_type" not in shown.text()


def test_another_replica_shows_the_same_without_the_worker(service: Service) -> None:
    with service.worker(), service.api() as reader:
        service.publisher.publish(a_rollup("2026-W14", 1))
        shows(reader, "month", 0.2)
    with service.api() as other:
        shows(other, "month", 0.2)
