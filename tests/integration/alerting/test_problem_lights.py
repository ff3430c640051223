"""What lights and the clock do to the problem list."""

import threading
from datetime import UTC, date, datetime, timedelta
from typing import Any

from integration.alerting.problem_list import COUNTY_KEY, DEPARTMENT_KEY, OFFICE, OTHER_DEPARTMENT_KEY, a_problem_list
from integration.alerting.service import Service, running
from sqlalchemy import text
from support.records import read_committed, write
from support.waiting import eventually
from unit.alerting.builders import (
    COUNTY,
    DEPARTMENT,
    NOW,
    OTHER_DEPARTMENT,
    SCALE,
    SMES_TARGET,
    a_catalogue,
    a_rollup,
    a_target,
)

from fourones_alerting import bootstrap
from fourones_alerting.problems.opening import notified
from fourones_alerting.problems.verifying import verify
from fourones_shared.events.envelope import unwrap, wrap
from fourones_shared.events.model import ProblemChanged

RED, GREEN = "20", "60"


def of_target(service: Service, target: str = SMES_TARGET) -> list[Any]:
    return service.rows("SELECT * FROM problem WHERE target = :t ORDER BY problem_id", t=target)


def actions(service: Service, problem: int) -> list[str]:
    rows = service.rows("SELECT action FROM problem_step WHERE problem_id = :p ORDER BY step", p=problem)
    return [row.action for row in rows]


def test_a_red_light_opens_one_problem_that_a_recovery_does_not_close(service: Service) -> None:
    with a_problem_list(service) as problems:
        service.publisher.publish(a_rollup(RED))
        [opened] = eventually(lambda: problems.items(target=SMES_TARGET))
        assert (opened["origin"], opened["kind"], opened["level"]) == ("light", "target", "department")
        assert opened["responsible"] == [OTHER_DEPARTMENT, DEPARTMENT]
        assert (opened["due"], opened["raised_by"], opened["org"]) == ("2026-06-19", None, None)
        assert "红灯" in opened["title"]
        assert "科技型中小企业" in opened["description"]

        # Still red, with another value: the same episode.
        service.publisher.publish(a_rollup("21", version=2))
        eventually(lambda: service.rows("SELECT 1 FROM assessment WHERE target = :t AND value = 21", t=SMES_TARGET))
        assert actions(service, opened["id"]) == ["open"]

        problems.step(opened["id"], "acknowledge", OTHER_DEPARTMENT_KEY)
        service.publisher.publish(a_rollup(GREEN, version=3))
        eventually(lambda: problems.one(opened["id"])["light_is_red"] is False)
        assert problems.one(opened["id"])["state"] == "acknowledged"
        assert actions(service, opened["id"]) == ["open", "acknowledge", "light_recovered"]

        # Red again while it is open: another entry, not another problem.
        service.publisher.publish(a_rollup(RED, version=4))
        eventually(lambda: problems.one(opened["id"])["light_is_red"])
        assert actions(service, opened["id"])[-1] == "light_red"
        assert problems.one(opened["id"])["history"][-1]["role"] == "light"
        assert len(of_target(service)) == 1

        # Closed while it is red: that episode opens no other, the next one does.
        problems.step(opened["id"], "start", OTHER_DEPARTMENT_KEY)
        problems.step(opened["id"], "report", OTHER_DEPARTMENT_KEY, "已采取措施")
        problems.step(opened["id"], "verify", OFFICE)
        problems.step(opened["id"], "close", OFFICE)
        service.publisher.publish(a_rollup("22", version=5))
        eventually(lambda: service.rows("SELECT 1 FROM assessment WHERE target = :t AND value = 22", t=SMES_TARGET))
        assert len(of_target(service)) == 1
        service.publisher.publish(a_rollup(GREEN, version=6))
        eventually(lambda: service.verdicts()[SMES_TARGET] == "on_track")
        service.publisher.publish(a_rollup(RED, version=7))
        second = eventually(lambda: rows[1] if len(rows := of_target(service)) == 2 else None)
        assert (second.state, second.episode) == ("opened", 3)
        refused = problems.post(f"/{opened['id']}/reopen", {"note": "反弹"})
        assert (refused.status_code, refused.json()["errors"][0]["code"]) == (409, "newer_problem_open")


def test_a_target_that_the_catalogue_drops_leaves_its_problem_open(service: Service) -> None:
    service.publisher.publish(a_rollup(RED))
    with service.worker():
        [problem] = eventually(lambda: of_target(service))
        targets = [t.model_dump(mode="json") for t in a_catalogue().targets if t.id != SMES_TARGET]
        service.publisher.publish_catalogue(a_catalogue(targets=targets), version=2)
        eventually(lambda: actions(service, problem.problem_id) == ["open", "target_removed"])
        assert of_target(service)[0].state == "opened"


def test_the_trace_of_the_figure_goes_on_to_the_problem(service: Service) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    settings = service.settings
    event = wrap(a_rollup(RED), event_id="1", source="/test", time=NOW, traceparent=f"00-{trace}-b7ad6b7169203331-01")

    def told() -> list[Any]:
        return read_committed(settings.kafka_bootstrap, settings.topic_prefix, ProblemChanged.TOPIC).records

    with service.worker():
        eventually(lambda: service.verdicts().get(SMES_TARGET) == "no_data")
        write(settings.kafka_bootstrap, settings.topic_prefix, [event])
        [record] = eventually(told)
    assert trace in (unwrap(record.value, record.headers).traceparent or "")


def test_demonstrations_are_marked(service: Service) -> None:
    service.publisher.publish_catalogue(a_catalogue(targets=[a_target(synthetic=True)]), version=2)
    service.publisher.publish(a_rollup(RED))
    with service.worker():
        [problem] = eventually(lambda: of_target(service))
        assert problem.synthetic is True


def test_the_first_notice_notes_that_the_departments_were_told(service: Service) -> None:
    service.publisher.publish(a_rollup(RED))
    with service.worker():
        [problem] = eventually(lambda: of_target(service))
    with service.engine.begin() as connection:
        assert notified(connection, SMES_TARGET, 2, NOW) is None
        told = notified(connection, SMES_TARGET, 1, NOW + timedelta(minutes=1))
        assert told is not None
        assert told.state.value == "notified"
        assert notified(connection, SMES_TARGET, 1, NOW + timedelta(minutes=2)) is None
    assert actions(service, problem.problem_id) == ["open", "notify"]


def test_a_light_that_was_red_before_there_was_a_list_opens_its_problem_too(service: Service) -> None:
    service.publisher.publish(a_rollup(RED))
    with service.worker():
        eventually(lambda: of_target(service))
    with service.engine.begin() as connection:
        # As a database is that has just been migrated: the episode is there, and no problem.
        connection.execute(text("ALTER TABLE problem_step DISABLE TRIGGER problem_step_stays"))
        for statement in (
            "DELETE FROM problem_step",
            "DELETE FROM problem",
            "UPDATE problem_chain SET steps = 0, problems = 0, hash = repeat('0', 64)",
            "ALTER TABLE problem_step ENABLE TRIGGER problem_step_stays",
        ):
            connection.execute(text(statement))
    with service.worker():
        [problem] = eventually(lambda: of_target(service))
        assert (problem.state, problem.episode) == ("opened", 1)


def test_lights_and_keys_at_the_same_time_leave_one_whole_history(service: Service) -> None:
    with a_problem_list(service) as problems:
        service.publisher.publish(a_rollup(RED))
        [problem] = eventually(lambda: problems.items(target=SMES_TARGET))
        answers: list[int] = []

        def act() -> None:
            for action in ("acknowledge", "start", "report"):
                body = {"note": "同时进行"}
                answers.append(problems.post(f"/{problem['id']}/{action}", body, who=DEPARTMENT_KEY).status_code)
                problems.raised()

        threads = [threading.Thread(target=act) for _ in range(3)]
        for thread in threads:
            thread.start()
        for version in range(2, 12):
            service.publisher.publish(a_rollup(GREEN if version % 2 == 0 else RED, version=version))
        for thread in threads:
            thread.join()
        eventually(lambda: service.rows("SELECT 1 FROM rollup_version WHERE version = 11"))

        assert sorted(set(answers)) == [200, 409]
        assert answers.count(200) == 3
        assert problems.one(problem["id"])["state"] == "reported_done"
        with service.engine.connect() as connection:
            assert verify(connection).faults == ()


def test_what_nobody_acknowledges_is_passed_up_by_the_clock_once_a_level(service: Service) -> None:
    with a_problem_list(service) as problems, running(bootstrap.worker(service.settings, service.clock)):
        waiting = problems.raised(level="county")["id"]
        taken = problems.raised(level="county")["id"]
        problems.step(taken, "acknowledge", COUNTY_KEY)
        assert problems.one(waiting)["escalates_at"] == "2026-05-25T16:00:00Z"
        service.clock.move_to(datetime(2026, 5, 25, 15, 59, 59, tzinfo=UTC))
        assert problems.one(waiting)["state"] == "opened"
        service.clock.move_to(datetime(2026, 5, 25, 16, tzinfo=UTC))
        eventually(lambda: problems.one(waiting)["level"] == "department")
        last = problems.one(waiting)["history"][-1]
        assert (last["action"], last["role"], last["key_id"]) == ("escalate", "clock", None)
        assert "3 个工作日" in last["note"]
        service.clock.move_to(datetime(2026, 5, 29, 16, tzinfo=UTC))
        eventually(lambda: problems.one(waiting)["level"] == "city")
        service.clock.move_to(datetime(2026, 6, 30, 16, tzinfo=UTC))
        # Two workers have looked many times by the time another problem has gone up.
        late = problems.raised(level="county", due="2026-07-01")["id"]
        problems.step(late, "acknowledge", COUNTY_KEY)
        service.clock.move_to(datetime(2026, 7, 1, 16, tzinfo=UTC))
        eventually(lambda: problems.one(late)["level"] == "department")
        assert "2026-07-01" in problems.one(late)["history"][-1]["note"]
        assert actions(service, waiting) == ["open", "escalate", "escalate"]
        assert actions(service, taken) == ["open", "acknowledge"]


def test_figures_tell_what_was_opened_and_closed_in_time_and_what_is_late(service: Service) -> None:
    with a_problem_list(service) as problems:
        numbers = [problems.raised(due="2026-05-21")["id"] for _ in range(3)]
        for number in numbers[:2]:
            problems.step(number, "acknowledge", DEPARTMENT_KEY)
            problems.step(number, "start", DEPARTMENT_KEY)
        problems.step(numbers[0], "report", DEPARTMENT_KEY, "按期办结")
        service.clock.move_to(NOW + timedelta(days=2))
        problems.step(numbers[1], "report", DEPARTMENT_KEY, "逾期办结")
        for number in numbers[:2]:
            problems.step(number, "verify", OFFICE)
            problems.step(number, "close", OFFICE)

        def figures(who: str = OFFICE, **query: Any) -> list[dict[str, Any]]:
            answer = problems.get("/figures", who=who, **query)
            assert answer.status_code == 200, answer.text
            return list(answer.json()["items"])

        [line] = figures()
        assert line == {
            "org": DEPARTMENT,
            "name": "市工业和信息化局",
            "opened": 3,
            "closed": 2,
            "closed_on_time": 1,
            "share_closed_on_time": "0.5",
            "open": 1,
            "overdue": 1,
        }
        assert [item["org"] for item in figures(by="org")] == [COUNTY]
        assert figures(who=DEPARTMENT_KEY) == [line]
        assert figures(who=COUNTY_KEY) == []
        assert len(figures(who=COUNTY_KEY, by="org")) == 1
        # What the figures were at the end of the first day.
        [then] = figures(**{"from": "2026-05-20", "to": "2026-05-20"})
        assert (then["opened"], then["closed"], then["open"], then["overdue"]) == (3, 0, 3, 0)
        [since] = figures(**{"from": "2026-05-22"})
        assert (since["opened"], since["closed"], since["open"]) == (0, 2, 1)
        assert problems.get("/figures", **{"from": "2026-05-22", "to": "2026-05-21"}).status_code == 422

        [late] = problems.items(overdue=True)
        assert late["id"] == numbers[2]
        eventually(lambda: problems.series("fourones_problems_overdue", department=DEPARTMENT) == 1.0)
        eventually(lambda: problems.series("fourones_problems_open", department=DEPARTMENT) == 1.0)


def test_the_due_date_of_a_light_is_a_setting(service: Service) -> None:
    service.settings = service.settings.model_copy(update={"problem_due_days": 10})
    service.publisher.publish(a_rollup("1", indicator=SCALE))
    with service.worker():
        [problem] = eventually(lambda: of_target(service, "machinery-scale-2026"))
        assert problem.due == date(2026, 5, 30)
