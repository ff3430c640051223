"""Who is told what: from Alertmanager's call, or without any, to the department's receiver."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import httpx
from integration.alerting.problem_list import DEPARTMENT_KEY, OFFICE, problem_list_at
from integration.alerting.service import Service
from integration.alerting.telling import Told, an_alert, telling
from support.waiting import eventually
from unit.alerting.builders import (
    COUNTY,
    DEPARTMENT,
    NOW,
    OTHER_DEPARTMENT,
    SCALE,
    SCALE_TARGET,
    SMES_TARGET,
    ZONE,
    a_catalogue,
    a_rollup,
    a_target,
)

from fourones_local import loopback
from fourones_shared.events.model import Role

BOTH = (DEPARTMENT, OTHER_DEPARTMENT)
EVERYBODY = (*BOTH, ZONE, COUNTY)


def _judged(told: Told, value: str, verdict: str, **changes: object) -> None:
    told.service.publisher.publish(a_rollup(value, **changes))  # type: ignore[arg-type]
    eventually(lambda: told.service.verdicts().get(SMES_TARGET) == verdict)


def _call_both(told: Told, *, firing: bool = True, name: str = "TargetOffTrack") -> None:
    answer = told.call(*(told.alert(SMES_TARGET, each, firing=firing, name=name) for each in BOTH))
    assert answer.status_code == 200, answer.text
    told.looked_at()


def _settled(told: Told) -> None:
    eventually(lambda: all(state not in {"waiting", "sending"} for _, _, state in told.ledger()))


def test_each_of_the_equally_responsible_is_told_once_and_nobody_else(service: Service, tmp_path: Path) -> None:
    with telling(service, tmp_path, EVERYBODY) as told:
        _judged(told, "20", "off_track")
        for _ in range(3):
            _call_both(told)
        _settled(told)
        for who in EVERYBODY:
            assert told.titles(who) == (["红灯：科技型中小企业入库数"] if who in BOTH else [])
        assert told.titles("operators") == []
        message = told.hooks[DEPARTMENT].received[0]
        assert "2026年4月完成20家" in message.text
        assert "距序时进度还差19.45家" in message.text
        assert "亮红灯：自2026年5月20日15:00起" in message.text
        assert "责任部门：市科学技术局、市工业和信息化局" in message.text
        assert message.body["link"] == f"http://127.0.0.1:8003/v1/assessments/{SMES_TARGET}"
        assert message.body["facts"]["gap"].startswith("19.45")
        [problem] = service.rows("SELECT state FROM problem WHERE target = :target", target=SMES_TARGET)
        assert problem.state == "notified", "the problem that the red has opened knows of it"


def test_a_recovery_is_told_once_to_those_who_were_told_of_the_red(service: Service, tmp_path: Path) -> None:
    with telling(service, tmp_path, EVERYBODY) as told:
        _judged(told, "20", "off_track")
        told.call(told.alert(SMES_TARGET, DEPARTMENT))
        told.looked_at()
        _settled(told)
        told.service.clock.advance(timedelta(hours=26))
        _judged(told, "45", "on_track", version=2)
        for _ in range(3):
            _call_both(told, firing=False)
        told.swept()
        _settled(told)
        assert told.titles(DEPARTMENT) == ["红灯：科技型中小企业入库数", "已转为绿灯：科技型中小企业入库数"]
        assert "至2026年5月21日17:00止，历时1天" in told.hooks[DEPARTMENT].received[1].text
        assert told.titles(OTHER_DEPARTMENT) == [], "it never heard of the red"


def test_a_vanished_metric_recovers_nothing(service: Service, tmp_path: Path) -> None:
    with telling(service, tmp_path, BOTH) as told:
        _judged(told, "20", "off_track")
        _call_both(told)
        _settled(told)
        _call_both(told, firing=False)
        told.service.clock.advance(timedelta(minutes=20))
        told.swept()
        assert [kind for _, kind, _ in told.ledger()] == ["off_track"] * 2


def test_a_call_about_a_target_that_is_not_red_tells_nothing(service: Service, tmp_path: Path) -> None:
    with telling(service, tmp_path, BOTH) as told:
        _judged(told, "45", "on_track")
        _call_both(told)
        assert told.ledger() == []


def test_a_department_that_does_not_answer_for_the_target_is_not_told(service: Service, tmp_path: Path) -> None:
    with telling(service, tmp_path, EVERYBODY) as told:
        _judged(told, "20", "off_track")
        told.call(told.alert(SMES_TARGET, COUNTY))
        told.looked_at()
        assert told.ledger() == []


def test_a_later_period_that_is_still_red_is_told_once_too(service: Service, tmp_path: Path) -> None:
    with telling(service, tmp_path, (DEPARTMENT,)) as told:
        _judged(told, "20", "off_track")
        _call_both(told)
        _settled(told)
        told.service.publisher.publish(a_rollup("21", period="2026-05"))
        query = "SELECT period FROM assessment WHERE target = :target"
        eventually(lambda: told.service.rows(query, target=SMES_TARGET)[0].period == "2026-05")
        _call_both(told)
        _call_both(told)
        _settled(told)
        assert told.titles(DEPARTMENT) == ["红灯：科技型中小企业入库数", "仍为红灯：科技型中小企业入库数"]
        _judged(told, "60", "on_track", period="2026-05", version=2)
        _call_both(told, firing=False)
        _settled(told)
        assert told.titles(DEPARTMENT)[2:] == ["已转为绿灯：科技型中小企业入库数"]


def test_a_flickering_light_is_told_once(service: Service, tmp_path: Path) -> None:
    with telling(service, tmp_path, (DEPARTMENT,)) as told:
        _judged(told, "20", "off_track")
        _call_both(told)
        _settled(told)
        # Green for less time than anybody is told of it; the alert goes on firing through it.
        _judged(told, "45", "on_track", version=2)
        _judged(told, "21", "off_track", version=3)
        _call_both(told)
        told.service.clock.advance(timedelta(hours=1))
        told.swept()
        assert told.ledger() == [(DEPARTMENT, "off_track", "sent"), (DEPARTMENT, "off_track", "carried")]
        _judged(told, "45", "on_track", version=4)
        _call_both(told, firing=False)
        _settled(told)
        assert told.titles(DEPARTMENT) == ["红灯：科技型中小企业入库数", "已转为绿灯：科技型中小企业入库数"]
        # Once the recovery was told, a further red is news.
        _judged(told, "20", "off_track", version=5)
        _call_both(told)
        _settled(told)
        assert len(told.titles(DEPARTMENT)) == 3


def test_a_problem_that_a_flicker_opens_anew_is_told_though_the_red_is_no_news(
    service: Service, tmp_path: Path
) -> None:
    with telling(service, tmp_path, BOTH) as told, problem_list_at(service, told.reader.url) as problems:
        _judged(told, "20", "off_track")
        _call_both(told)
        _settled(told)
        [first] = problems.items(target=SMES_TARGET)
        eventually(lambda: problems.one(first["id"])["state"] == "notified")
        for action, who, note in (
            ("acknowledge", DEPARTMENT_KEY, None),
            ("start", DEPARTMENT_KEY, None),
            ("report", DEPARTMENT_KEY, "已补报"),
            ("verify", OFFICE, None),
            ("close", OFFICE, None),
        ):
            problems.step(first["id"], action, who, note)
        _judged(told, "45", "on_track", version=2)
        _judged(told, "21", "off_track", version=3)
        [second] = [item for item in problems.items(target=SMES_TARGET) if item["id"] != first["id"]]
        title = f"问题{second['id']}待签收：科技型中小企业入库数：红灯"
        # Alertmanager calls for one department after the other; the second hears of it though the first knows.
        for department in BOTH:
            told.call(told.alert(SMES_TARGET, department))
            eventually(lambda department=department: title in told.titles(department))  # type: ignore[misc]
            eventually(lambda: problems.one(second["id"])["state"] == "notified")
        _call_both(told)
        told.swept()
        _settled(told)
        for department in BOTH:
            assert told.titles(department).count(title) == 1
            assert told.titles(department).count("红灯：科技型中小企业入库数") == 1


def test_what_became_worse_is_told_once(service: Service, tmp_path: Path) -> None:
    growth = [
        a_target(method="required-growth", baseline={"period": "2025", "value": "20"}, responsible={"lead": DEPARTMENT})
    ]
    with telling(service, tmp_path, (DEPARTMENT,)) as told:
        told.service.publisher.publish_catalogue(a_catalogue(targets=growth), version=2)
        _judged(told, "21", "off_track", catalogue_version=2)
        _call_both(told)
        _settled(told)
        _judged(told, "15", "deteriorating", version=2, catalogue_version=2)
        _call_both(told, name="TargetDeteriorating")
        _call_both(told)
        told.service.clock.advance(timedelta(hours=1))
        told.swept()
        _settled(told)
        assert told.titles(DEPARTMENT) == ["红灯：科技型中小企业入库数", "红灯，情况恶化：科技型中小企业入库数"]


# --- without Prometheus ---------------------------------------------------------------------------------------------


def test_without_any_call_a_long_red_and_its_end_are_told_all_the_same(service: Service, tmp_path: Path) -> None:
    with telling(service, tmp_path, EVERYBODY) as told:
        _judged(told, "20", "off_track")
        told.service.clock.advance(timedelta(minutes=29))
        told.swept()
        assert told.ledger() == []
        told.service.clock.advance(timedelta(minutes=2))
        for who in BOTH:
            told.arrived(who, 1)
        _settled(told)
        _judged(told, "45", "on_track", version=2)
        told.service.clock.advance(timedelta(minutes=9))
        told.swept()
        assert len(told.ledger()) == 2
        told.service.clock.advance(timedelta(minutes=2))
        for who in BOTH:
            assert told.arrived(who, 2)[1] == "已转为绿灯：科技型中小企业入库数"
        told.swept()
        assert sum(len(told.titles(who)) for who in EVERYBODY) == 4


def test_a_later_period_is_told_unasked_once_it_has_been_red_for_long(service: Service, tmp_path: Path) -> None:
    with telling(service, tmp_path, (DEPARTMENT,)) as told:
        _judged(told, "20", "off_track")
        told.service.clock.advance(timedelta(minutes=31))
        told.arrived(DEPARTMENT, 1)
        told.service.publisher.publish(a_rollup("21", period="2026-05"))
        query = "SELECT period FROM assessment WHERE target = :target"
        eventually(lambda: told.service.rows(query, target=SMES_TARGET)[0].period == "2026-05")
        told.service.clock.advance(timedelta(minutes=20))
        told.swept()
        assert len(told.ledger()) == 1
        # Figures that move meanwhile do not put it off.
        told.service.publisher.publish(a_rollup("22", period="2026-05", version=2))
        value = "SELECT value FROM assessment WHERE target = :target"
        eventually(lambda: told.service.rows(value, target=SMES_TARGET)[0].value == 22)
        told.service.clock.advance(timedelta(minutes=11))
        assert told.arrived(DEPARTMENT, 2)[1] == "仍为红灯：科技型中小企业入库数"


def test_a_red_that_ends_before_the_morning_is_not_told_at_all(service: Service, tmp_path: Path) -> None:
    quiet = {"quiet_hours": {"from": "14:00", "until": "16:00"}}
    with telling(service, tmp_path, (DEPARTMENT,), quiet) as told:
        _judged(told, "20", "off_track")
        _call_both(told)
        assert told.ledger() == [(DEPARTMENT, "off_track", "waiting")]
        _judged(told, "45", "on_track", version=2)
        _call_both(told, firing=False)
        assert told.ledger() == [(DEPARTMENT, "off_track", "dropped")]
        told.service.clock.move_to(NOW + timedelta(hours=2))
        told.swept()
        assert told.titles(DEPARTMENT) == []


def test_a_target_that_the_catalogue_drops_is_closed_without_a_word(service: Service, tmp_path: Path) -> None:
    with telling(service, tmp_path, BOTH) as told:
        _judged(told, "20", "off_track")
        _call_both(told)
        _settled(told)
        told.service.publisher.publish_catalogue(a_catalogue(targets=[]), version=2)
        eventually(lambda: told.service.verdicts() == {})
        told.swept()
        assert told.ledger()[2:] == [(each, "withdrawn", "dropped") for each in sorted(BOTH)]
        # Back again and green: nobody is told that it recovered.
        told.service.publisher.publish_catalogue(a_catalogue(targets=[a_target(value="36")]), version=3)
        eventually(lambda: told.service.verdicts() == {SMES_TARGET: "on_track"})
        told.service.clock.advance(timedelta(hours=1))
        _call_both(told, firing=False)
        told.swept()
        assert all(len(told.titles(each)) == 1 for each in BOTH)


# --- other things to tell -------------------------------------------------------------------------------------------


def test_what_is_overdue_is_told_once_for_the_period_with_who_is_missing(service: Service, tmp_path: Path) -> None:
    with telling(service, tmp_path, EVERYBODY) as told:
        told.service.publisher.publish(a_rollup("10", indicator=SCALE, reported=1))
        query = "SELECT overdue FROM assessment WHERE target = :target"
        eventually(lambda: told.service.rows(query, target=SCALE_TARGET)[0].overdue == 1)
        for _ in range(2):
            told.call(told.alert(SCALE_TARGET, DEPARTMENT, name="ReportsOverdue"))
            told.looked_at()
        _settled(told)
        assert told.titles(DEPARTMENT) == ["逾期未报：工程机械产业规模"]
        text = told.hooks[DEPARTMENT].received[0].text
        assert "2026年1—4月应报的数据还缺1个" in text
        assert "缺报单位：新沂市" in text
        assert told.ledger(target=SCALE_TARGET) == [(DEPARTMENT, "overdue", "sent")]


def test_a_report_that_is_missing_again_before_anybody_was_told_is_told(service: Service, tmp_path: Path) -> None:
    quiet = {"quiet_hours": {"from": "14:00", "until": "16:00"}}
    query = "SELECT overdue FROM assessment WHERE target = :target"
    with telling(service, tmp_path, EVERYBODY, quiet) as told:
        for version, reported in enumerate((1, 2, 1), start=1):
            told.service.publisher.publish(a_rollup("10", indicator=SCALE, reported=reported, version=version))
            eventually(
                lambda overdue=2 - reported: told.service.rows(query, target=SCALE_TARGET)[0].overdue == overdue  # type: ignore[misc]
            )
            told.service.clock.advance(timedelta(seconds=1))
            told.call(told.alert(SCALE_TARGET, DEPARTMENT, name="ReportsOverdue", firing=reported < 2))
            told.looked_at()
        states = [(DEPARTMENT, "overdue", "dropped"), (DEPARTMENT, "overdue", "waiting")]
        assert told.ledger(target=SCALE_TARGET) == states
        told.service.clock.move_to(NOW + timedelta(hours=2))
        assert told.arrived(DEPARTMENT, 1) == ["逾期未报：工程机械产业规模"]


def test_problems_past_their_dates_are_told_to_their_department(service: Service, tmp_path: Path) -> None:
    with telling(service, tmp_path, BOTH) as told:
        alert = told.alert(None, DEPARTMENT, name="ProblemsOverdue") | {
            "annotations": {"summary": "有 2 个问题超过办理期限"}
        }
        for _ in range(2):
            assert told.call(alert).json() == {"noted": 1}
            told.looked_at()
        _settled(told)
        assert (told.titles(DEPARTMENT), told.titles(OTHER_DEPARTMENT)) == (["有 2 个问题超过办理期限"], [])


def test_operators_are_told_of_each_failure_once_and_of_its_end(service: Service, tmp_path: Path) -> None:
    with telling(service, tmp_path, BOTH) as told:
        labels = {"alertname": "ServiceDown", "audience": "operators", "job": "aggregation"}
        for firing in (True, True, False, False):
            told.call(an_alert(labels, NOW, firing=firing, summary="aggregation 不响应"))
            told.looked_at()
        told.call(an_alert(labels, NOW + timedelta(hours=1), summary="aggregation 不响应"))
        told.looked_at()
        _settled(told)
        assert told.titles("operators") == [
            "系统告警：aggregation 不响应",
            "系统已恢复：aggregation 不响应",
            "系统告警：aggregation 不响应",
        ]
        assert all(told.titles(each) == [] for each in BOTH)


def test_an_end_without_a_beginning_is_not_told_to_operators(service: Service, tmp_path: Path) -> None:
    with telling(service, tmp_path, BOTH) as told:
        labels = {"alertname": "ServiceDown", "audience": "operators"}
        told.call(an_alert(labels, NOW, firing=False))
        told.looked_at()
        assert told.ledger() == []


# --- the API --------------------------------------------------------------------------------------------------------


def test_only_alertmanager_may_call(service: Service, tmp_path: Path) -> None:
    with telling(service, tmp_path, BOTH) as told:
        for token in ("another", "扫描"):
            answer = _posted(told, {b"Authorization": f"Bearer {token}".encode()})
            assert answer.status_code == 401, answer.text
            assert "FOURONES_ALERTMANAGER_TOKEN" in answer.json()["detail"]
        assert _posted(told, {}).status_code == 401
        assert told.reader.get("/v1/alertmanager").status_code == 405
        assert told.service.rows("SELECT 1 FROM occasion") == []


def test_without_a_token_alertmanager_is_asked_to_come_again(service: Service, tmp_path: Path) -> None:
    with telling(service, tmp_path, BOTH, alertmanager_token=None) as told:
        answer = told.call(told.alert(SMES_TARGET, DEPARTMENT))
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "60")


def test_a_call_that_is_none_is_refused_and_alerts_for_nobody_are_passed_over(service: Service, tmp_path: Path) -> None:
    with telling(service, tmp_path, BOTH) as told:
        assert told.call({"status": "burning"}).status_code == 422
        stray = an_alert({"alertname": "Watchdog"}, NOW)
        odd = told.alert("no\x00such", DEPARTMENT)
        assert told.call(stray, odd).json() == {"noted": 1}
        told.looked_at()
        assert told.ledger() == []


def test_the_ledger_can_be_read_by_whoever_reads_everything_and_by_each_department_its_own(
    service: Service, tmp_path: Path
) -> None:
    with telling(service, tmp_path, BOTH) as told:
        department = told.service.publisher.grant(Role.DEPARTMENT, DEPARTMENT)
        reporter = told.service.publisher.grant(Role.REPORTER, COUNTY)
        _judged(told, "20", "off_track")
        _call_both(told)
        _settled(told)
        get = told.reader.get
        eventually(lambda: get("/v1/notices", key=reporter).status_code == 200)
        assert {item["department"] for item in get("/v1/notices").json()["items"]} == set(BOTH)
        own = get("/v1/notices", key=department).json()["items"]
        assert [(item["department"], item["state"], item["kind"]) for item in own] == [
            (DEPARTMENT, "sent", "off_track")
        ]
        assert own[0]["number"] == told.hooks[DEPARTMENT].received[0].number
        assert told.hooks[DEPARTMENT].url not in get("/v1/notices").text
        assert get("/v1/notices", key=department, department=OTHER_DEPARTMENT).status_code == 403
        assert get("/v1/notices", key=reporter).json()["items"] == []
        assert get("/v1/notices", target=SCALE_TARGET).json()["items"] == []
        assert get("/v1/notices", state="waiting").json()["items"] == []
        first = get("/v1/notices", limit=1).json()
        second = get("/v1/notices", limit=1, cursor=first["next"]).json()
        assert first["items"][0]["number"] > second["items"][0]["number"]
        assert second["next"] is None
        assert get("/v1/notices", cursor="x").status_code == 422


def test_what_waits_and_what_was_given_up_is_in_the_metrics(service: Service, tmp_path: Path) -> None:
    quiet = {"quiet_hours": {"from": "14:00", "until": "16:00"}}
    with telling(service, tmp_path, (DEPARTMENT,), quiet) as told:
        channel = f"{DEPARTMENT}/hook"
        _judged(told, "20", "off_track")
        _call_both(told)
        eventually(lambda: told.reader.series("fourones_notices_waiting", channel=channel) == [1.0])
        told.service.clock.advance(timedelta(minutes=30))
        # What waits for the end of quiet hours is not late. The process's gauges still show the test before, at first.
        for name in ("fourones_notices_oldest_waiting_seconds", "fourones_notices_given_up"):
            eventually(lambda name=name: told.reader.series(name, channel=channel) == [0.0])  # type: ignore[misc]
        assert told.reader.series("fourones_notices_waiting", channel=channel) == [1.0]


def _posted(told: Told, headers: dict[bytes, bytes]) -> httpx.Response:
    url = f"{told.reader.url}/v1/alertmanager"
    return loopback.post(url, json={"version": "4", "alerts": []}, headers=headers)
