"""Who hears of which step of a problem: whoever has to see to it, and nobody else."""

from __future__ import annotations

import threading
from pathlib import Path

from integration.alerting.problem_list import (
    COLLEAGUE,
    COUNTY_KEY,
    DEPARTMENT_KEY,
    OFFICE,
    OTHER_COUNTY_KEY,
    a_problem_list,
    problem_list_at,
)
from integration.alerting.service import Service
from integration.alerting.telling import Told, telling
from sqlalchemy import text
from support.waiting import eventually
from unit.alerting.builders import COUNTY, DEPARTMENT, OTHER_COUNTY, OTHER_DEPARTMENT, SMES_TARGET, a_rollup

from fourones_alerting.notifying import problem_steps

EVERYBODY = (COUNTY, OTHER_COUNTY, DEPARTMENT, OTHER_DEPARTMENT)
TITLE = "智能工厂用地未落实"


def _read_through(told: Told) -> None:
    """Wait until the whole history was read for what is to be told, and every notice has gone out."""
    read = "SELECT 1 FROM problem_told JOIN problem_chain USING (singleton) WHERE told_through = steps"
    eventually(lambda: told.service.rows(read))
    eventually(lambda: all(state not in {"waiting", "sending"} for _, _, state in told.ledger()))


def test_each_step_is_told_once_to_whoever_has_to_see_to_it(service: Service, tmp_path: Path) -> None:
    with (
        telling(service, tmp_path, EVERYBODY) as told,
        problem_list_at(service, told.reader.url) as problems,
    ):
        number = problems.raised(COUNTY_KEY, level="county")["id"]
        assert told.arrived(COUNTY, 1) == [f"问题{number}待签收：{TITLE}"]
        message = told.hooks[COUNTY].received[0]
        assert "二期 120 亩用地指标未批，影响三季度投产" in message.text
        assert "办理期限：2026年12月31日" in message.text
        assert message.body["link"] == f"http://127.0.0.1:8003/v1/problems/{number}"
        assert message.body["facts"]["action"] == "open"
        eventually(lambda: problems.one(number)["state"] == "notified")

        problems.step(number, "escalate", COUNTY_KEY, "县级无法解决")
        _read_through(told)
        problems.step(number, "escalate", DEPARTMENT_KEY, "部门无法解决")
        eventually(lambda: told.titles("coordinator"))
        assert told.titles("coordinator") == [f"问题{number}已上报市级，待签收：{TITLE}"]
        assert "上报原因：部门无法解决" in told.hooks["coordinator"].received[0].text

        problems.step(number, "acknowledge", OFFICE)
        problems.step(number, "start", OFFICE)
        problems.step(number, "report", OFFICE, "指标已批复")
        assert told.arrived("coordinator", 2)[-1] == f"问题{number}已反馈，待复核：{TITLE}"
        problems.step(number, "reopen", COLLEAGUE, "批复未附图")
        _read_through(told)
        problems.step(number, "report", OFFICE, "已补图")
        _read_through(told)
        problems.step(number, "verify", COLLEAGUE)
        problems.step(number, "close", COLLEAGUE)
        _read_through(told)

        assert told.titles(DEPARTMENT) == [
            f"问题{number}已上报，待签收：{TITLE}",
            f"问题{number}已上报市级，待签收：{TITLE}",
            f"问题{number}被退回，请继续办理：{TITLE}",
            f"问题{number}已销号：{TITLE}",
        ]
        assert len(told.titles("coordinator")) == 3
        assert (told.titles(COUNTY), told.titles("operators")) == ([f"问题{number}待签收：{TITLE}"], [])
        assert told.titles(OTHER_COUNTY) == []


def test_the_problem_of_a_red_light_is_told_by_the_light_and_what_follows_by_itself(
    service: Service, tmp_path: Path
) -> None:
    with (
        telling(service, tmp_path, EVERYBODY) as told,
        problem_list_at(service, told.reader.url) as problems,
    ):
        service.publisher.publish(a_rollup("20"))
        [problem] = eventually(lambda: problems.items(target=SMES_TARGET))
        _read_through(told)
        assert told.ledger() == []
        problems.step(problem["id"], "escalate", DEPARTMENT_KEY, "需市级协调")
        _read_through(told)
        assert sorted(who for who, kind, _ in told.ledger() if kind == "problem") == sorted(
            [DEPARTMENT, OTHER_DEPARTMENT, "coordinator"]
        )


def test_two_leaders_at_once_read_each_step_once(service: Service) -> None:
    with a_problem_list(service) as problems:
        # Nobody is told of anything here, but how far the history was read moves all the same.
        caught_up = "SELECT 1 FROM problem_told JOIN problem_chain USING (singleton) WHERE told_through = steps"
        eventually(lambda: problems.get().status_code == 200 and service.rows(caught_up))
        problems.raised(COUNTY_KEY)
        eventually(lambda: service.rows(caught_up))
    with service.engine.begin() as connection:
        connection.execute(text("UPDATE problem_told SET told_through = 0"))

    read: list[int] = []

    def lead() -> None:
        with service.engine.begin() as connection:
            read.append(len(problem_steps.untold(connection)))

    other = threading.Thread(target=lead)
    with service.engine.begin() as connection:
        assert len(problem_steps.untold(connection)) == 1
        other.start()
        waits = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        eventually(lambda: service.rows(waits))
    other.join(30)
    assert read == [0]


def test_what_has_moved_on_before_anybody_was_told_is_taken_back(service: Service, tmp_path: Path) -> None:
    always = {"quiet_hours": {"from": "00:00", "until": "23:59"}}
    with (
        telling(service, tmp_path, EVERYBODY, always) as told,
        problem_list_at(service, told.reader.url) as problems,
    ):
        number = problems.raised(OTHER_COUNTY_KEY, org=OTHER_COUNTY, level="county")["id"]
        eventually(lambda: told.ledger() == [(OTHER_COUNTY, "problem", "waiting")])
        problems.step(number, "escalate", OTHER_COUNTY_KEY, "县级无法解决")
        eventually(lambda: ((OTHER_COUNTY, "problem", "dropped") in told.ledger()) and len(told.ledger()) > 1)
        assert problems.one(number)["state"] == "escalated"
        assert told.titles(OTHER_COUNTY) == []
