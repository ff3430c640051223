"""From a roll-up on Kafka to the verdict in the database, in the API and in the metrics."""

from datetime import timedelta
from decimal import Decimal
from random import Random

import pytest
from integration.alerting.service import Service
from support.waiting import eventually
from unit.alerting.builders import (
    COUNTY,
    DEPARTMENT,
    ENERGY,
    ENERGY_TARGET,
    NOW,
    OTHER_COUNTY,
    OTHER_DEPARTMENT,
    SCALE,
    SCALE_TARGET,
    SMES_TARGET,
    a_catalogue,
    a_rollup,
    a_target,
)

from fourones_shared.domain.periods import end_of_day, shanghai_date
from fourones_shared.events.model import RollupChanged, Status


def test_every_target_is_no_data_until_something_is_reported(service: Service) -> None:
    with service.worker():
        eventually(lambda: len(service.verdicts()) == 3)
        assert set(service.verdicts().values()) == {"no_data"}


def test_a_rollup_becomes_a_verdict_an_answer_and_a_metric(service: Service) -> None:
    with service.worker(), service.api() as reader:
        eventually(lambda: reader.get("/v1/assessments").status_code == 200)
        eventually(lambda: reader.series("fourones_target_verdict", target=SMES_TARGET, verdict="no_data") == [1.0])
        [observed] = reader.series("fourones_figure_freshness_seconds_count")
        service.publisher.publish(a_rollup("20"))
        eventually(lambda: reader.series("fourones_target_off_track", target=SMES_TARGET) == [1.0])
        answer = reader.assessment(SMES_TARGET)
        assert (answer["verdict"], answer["light"], answer["period"]) == ("off_track", "red", "2026-04")
        assert (answer["value"], answer["target_value"], answer["unit"]) == ("20", "120", "家")
        assert answer["coverage"] == {"reported": 1, "expected": 1, "missing": []}
        assert answer["departments"] == [OTHER_DEPARTMENT, DEPARTMENT]
        assert answer["changed_by"] == "new_data"
        assert answer["rests_on"][0]["version"] == 1
        assert reader.series("fourones_figure_freshness_seconds_count") == [observed + 1]
        assert reader.series("fourones_indicator_value", target=SMES_TARGET) == [20.0]
        assert reader.series("fourones_target_verdict", target=SMES_TARGET, verdict="off_track") == [1.0]
        assert reader.series("fourones_target_responsible", target=SMES_TARGET, department=DEPARTMENT) == [1.0]


def test_the_cut_of_energy_use_is_achieved_a_year_early(service: Service) -> None:
    service.publisher.publish(a_rollup("18", indicator=ENERGY, period="2024"))
    with service.worker(), service.api() as reader:
        eventually(lambda: reader.assessment(ENERGY_TARGET)["verdict"] == "achieved")
        answer = reader.assessment(ENERGY_TARGET)
        assert (answer["period"], answer["value"], answer["target_value"]) == ("2024", "18", "14.5")
        assert answer["remark"] == "数值为累计降幅，越大越好"


def test_an_older_version_is_kept_and_judges_nothing(service: Service) -> None:
    with service.worker():
        service.publisher.publish(a_rollup("50", version=7))
        eventually(lambda: service.verdicts().get(SMES_TARGET) == "on_track")
        service.publisher.publish(a_rollup("1", version=6), a_rollup("10", indicator=SCALE))
        eventually(lambda: service.verdicts().get(SCALE_TARGET) == "off_track")
        assert service.verdicts()[SMES_TARGET] == "on_track"
        kept = service.rows("SELECT version FROM rollup_version WHERE indicator = 'technology-smes' ORDER BY version")
        assert [row.version for row in kept] == [6, 7]


def test_a_version_that_says_the_same_leaves_only_what_it_rested_on(service: Service) -> None:
    with service.worker():
        service.publisher.publish(a_rollup("50", version=1))
        eventually(lambda: service.verdicts().get(SMES_TARGET) == "on_track")
        [before] = service.rows("SELECT judged_at FROM assessment WHERE target = :t", t=SMES_TARGET)
        service.clock.advance(timedelta(minutes=5))
        service.publisher.publish(a_rollup("50", version=2))
        query = "SELECT judged_at, changed_by, rests_on FROM assessment WHERE target = :t"
        eventually(lambda: service.rows(query, t=SMES_TARGET)[0].rests_on[-1]["version"] == 2)
        [after] = service.rows(query, t=SMES_TARGET)
        assert (after.judged_at, after.changed_by) == (before.judged_at, "new_data")
        kept = "SELECT verdict, said_again FROM assessment_revision WHERE target = :t ORDER BY revision_id"
        assert [tuple(row) for row in service.rows(kept, t=SMES_TARGET)] == [("no_data", False), ("on_track", True)]


def test_a_corrected_figure_changes_the_light_by_revision_and_leaves_the_one_before(service: Service) -> None:
    with service.worker():
        service.publisher.publish(a_rollup("50", version=1))
        eventually(lambda: service.verdicts().get(SMES_TARGET) == "on_track")
        service.publisher.publish(a_rollup("5", version=2))
        eventually(lambda: service.verdicts().get(SMES_TARGET) == "off_track")
        [row] = service.rows("SELECT changed_by FROM assessment WHERE target = :t", t=SMES_TARGET)
        assert row.changed_by == "revision"
        query = "SELECT verdict, value, replaced_by FROM assessment_revision WHERE target = :t ORDER BY revision_id"
        revisions = [tuple(row) for row in service.rows(query, t=SMES_TARGET)]
        assert revisions == [("no_data", None, "new_data"), ("on_track", Decimal(50), "revision")]


def test_a_due_date_that_passes_turns_a_light_without_any_event(service: Service) -> None:
    late = a_rollup("60", indicator=SCALE, period="2026-05", reported=1, carried_value=Decimal(10))
    with service.worker():
        service.publisher.publish(a_rollup("45", indicator=SCALE), late)
        eventually(lambda: service.verdicts().get(SCALE_TARGET) == "on_track")
        due_at = late.due_at
        service.clock.move_to(due_at + timedelta(seconds=1))
        eventually(lambda: service.verdicts().get(SCALE_TARGET) == "off_track")
        [row] = service.rows("SELECT changed_by, overdue FROM assessment WHERE target = :t", t=SCALE_TARGET)
        assert row.overdue == 1


def test_a_due_date_within_a_day_is_noticed_too(service: Service) -> None:
    due_at = NOW + timedelta(hours=1)
    assert shanghai_date(due_at) == shanghai_date(NOW)
    assert due_at != end_of_day(shanghai_date(NOW))
    with service.worker():
        service.publisher.publish(
            a_rollup("5", indicator=SCALE, period="2026-05", reported=1, carried_value=Decimal(5), due_at=due_at),
            a_rollup("45", indicator=SCALE),
        )
        eventually(lambda: service.verdicts().get(SCALE_TARGET) == "on_track")
        service.clock.move_to(due_at)
        eventually(lambda: service.verdicts().get(SCALE_TARGET) == "off_track")


def test_a_newer_catalogue_removes_a_target_with_its_series_and_judges_by_its_goals(service: Service) -> None:
    with service.worker(), service.api() as reader:
        service.publisher.publish(a_rollup("20"), a_rollup("18", indicator=ENERGY, period="2024"))
        eventually(lambda: reader.series("fourones_target_off_track", target=SMES_TARGET) == [1.0])
        eventually(lambda: reader.series("fourones_target_off_track", target=ENERGY_TARGET) == [0.0])
        service.publisher.publish_catalogue(
            a_catalogue(targets=[a_target(value="36")]),
            version=2,
        )
        eventually(lambda: service.verdicts() == {SMES_TARGET: "on_track"})
        eventually(lambda: reader.series("fourones_target_off_track") == [0.0])
        assert reader.series("fourones_target_verdict", target=ENERGY_TARGET) == []
        assert reader.series("fourones_target_responsible", target=ENERGY_TARGET) == []
        assert reader.get(f"/v1/assessments/{ENERGY_TARGET}").status_code == 404
        assert reader.assessment(SMES_TARGET)["changed_by"] == "catalogue"
        query = "SELECT verdict, replaced_by FROM assessment_revision WHERE target = :t ORDER BY revision_id DESC"
        assert tuple(service.rows(query, t=ENERGY_TARGET)[0]) == ("achieved", "catalogue")


def test_an_event_of_a_later_catalogue_waits_for_it(service: Service) -> None:
    with service.worker():
        eventually(lambda: service.verdicts().get(SMES_TARGET))
        service.publisher.publish(a_rollup("50", catalogue_version=2))
        service.publisher.publish_catalogue(a_catalogue(targets=[a_target(value="1200")]), version=2)
        eventually(lambda: service.verdicts() == {SMES_TARGET: "off_track"})


def _story() -> list[RollupChanged]:
    story = [a_rollup(str(v), period=p, version=n) for n, (p, v) in enumerate(_SMES, start=1)]
    story += [
        a_rollup("30", indicator=SCALE, period="2026-03", version=1, reported=1),
        a_rollup("38", indicator=SCALE, period="2026-03", version=2),
        a_rollup("20", indicator=SCALE, version=1, reported=1, carried_value=Decimal(39)),
        a_rollup("18", indicator=ENERGY, period="2024", version=3, status=Status.ESTIMATED),
        a_rollup("15", indicator=ENERGY, period="2023", version=1),
        a_rollup(None, indicator=ENERGY, period="2025", version=1),
    ]
    return story


_SMES = [("2026-01", 9), ("2026-02", 21), ("2026-03", 28), ("2026-03", 31), ("2026-04", 33), ("2026-04", 36)]
# What an assessment says and rests on; since when, and what brought it, is the history of the telling.
_SAID = "target, period, verdict, value, due_value, gap, stale, incomplete, explanation, said, digest"


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_in_whatever_order_and_however_often_events_come_the_verdicts_are_the_same(service: Service, seed: int) -> None:
    story = _story()
    with service.worker():
        service.publisher.publish(*story)
        count = len({(r.indicator, r.period, r.version) for r in story})
        eventually(lambda: service.rows("SELECT count(*) FROM rollup_version")[0][0] == count)
        in_order = service.rows(f"SELECT {_SAID} FROM assessment ORDER BY target")  # noqa: S608
    with service.engine.begin() as connection:
        for table in ("rollup_version", "rollup_latest", "assessment", "assessment_revision"):
            connection.exec_driver_sql(f"DELETE FROM {table}")  # noqa: S608
    shuffled = [*story, *story]
    Random(seed).shuffle(shuffled)  # noqa: S311
    with service.worker():
        for event in shuffled:
            service.publisher.publish(event)
        eventually(lambda: service.rows("SELECT count(*) FROM rollup_version")[0][0] == count)
    # The last ones may have been repetitions: once more from the stored roll-ups alone.
    with service.worker():
        again = service.rows(f"SELECT {_SAID} FROM assessment ORDER BY target")  # noqa: S608
    assert [tuple(row) for row in again] == [tuple(row) for row in in_order]
    assert {row.target: row.verdict for row in again}[ENERGY_TARGET] == "achieved"


def test_missing_counties_are_named_and_counted(service: Service) -> None:
    service.publisher.publish(a_rollup("20", indicator=SCALE, reported=1, carried_value=Decimal(41)))
    with service.worker(), service.api() as reader:
        eventually(lambda: reader.assessment(SCALE_TARGET)["coverage"]["reported"] == 1)
        answer = reader.assessment(SCALE_TARGET)
        assert answer["coverage"] == {"reported": 1, "expected": 2, "missing": [OTHER_COUNTY]}
        assert (answer["verdict"], answer["incomplete"]) == ("no_data", True)
        assert COUNTY not in answer["explanation"]
        assert reader.series("fourones_rollup_coverage_ratio", target=SCALE_TARGET) == [0.5]
        assert reader.series("fourones_reports_overdue", target=SCALE_TARGET) == [1.0]
        assert reader.series("fourones_target_off_track", target=SCALE_TARGET) == []
