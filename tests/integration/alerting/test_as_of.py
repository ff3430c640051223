"""What was known then: every answer of the verdicts can be had again, whatever has come since."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from integration.alerting.service import Reader, Service
from support.waiting import eventually
from unit.alerting.builders import (
    DEPARTMENT,
    ENERGY,
    ENERGY_TARGET,
    NOW,
    OTHER_DEPARTMENT,
    SCALE,
    SCALE_TARGET,
    SMES_TARGET,
    a_catalogue,
    a_rollup,
    a_target,
)

from fourones_shared.events.model import Status

QUESTIONS: list[tuple[str, dict[str, str]]] = [
    ("/v1/assessments", {}),
    ("/v1/assessments", {"limit": "2"}),
    ("/v1/assessments", {"verdict": "no_data"}),
    ("/v1/assessments", {"department": OTHER_DEPARTMENT}),
    (f"/v1/assessments/{SMES_TARGET}", {}),
    (f"/v1/assessments/{SCALE_TARGET}", {}),
    (f"/v1/assessments/{ENERGY_TARGET}", {}),
]


@dataclass(frozen=True)
class Told:
    """An answer, and the moment by which it can be asked for again."""

    path: str
    query: dict[str, str]
    status: int
    answer: dict[str, Any]
    token: str
    at: str

    def again(self, reader: Reader, as_of: str) -> tuple[int, dict[str, Any]]:
        answer = reader.get(self.path, **self.query, as_of=as_of)
        return answer.status_code, _shown(answer.json())


def _shown(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name != "as_of"}


def _ask_everything(service: Service, reader: Reader) -> list[Told]:
    # A moved clock is judged by in more than one step: asked again, until nothing moves while it is asked.
    return eventually(lambda: _asked_of_one_moment(service, reader))


def _asked_of_one_moment(service: Service, reader: Reader) -> list[Told] | None:
    told = []
    token = reader.get("/v1/assessments").json()["as_of"]
    for path, query in QUESTIONS:
        answer = reader.get(path, **query)
        body = answer.json()
        if body.get("as_of", token) != token:
            return None
        told.append(Told(path, query, answer.status_code, _shown(body), token, service.clock.now().isoformat()))
    return told


def test_whatever_was_answered_is_answered_again(service: Service) -> None:
    told: list[Told] = []
    with service.worker(), service.api() as reader:
        eventually(lambda: len(service.verdicts()) == 3)
        told += _ask_everything(service, reader)

        def after(*events: Any, until: Any) -> None:
            then(lambda: service.publisher.publish(*events), until=until)

        def then(publish: Callable[[], object], *, until: Any) -> None:
            # First the clock: a worker that is quick would change at the time of the answers before what it is told.
            service.clock.advance(timedelta(minutes=7))
            publish()
            eventually(until)
            told.extend(_ask_everything(service, reader))

        def rests_on(target: str, version: int) -> bool:
            found = service.rows("SELECT rests_on FROM assessment WHERE target = :t", t=target)[0].rests_on
            return bool(found) and found[-1]["version"] == version

        after(a_rollup("20"), until=lambda: service.verdicts()[SMES_TARGET] == "off_track")
        # The same again, out of another version: only what it rests on is new.
        after(a_rollup("20", version=2), until=lambda: rests_on(SMES_TARGET, 2))
        after(
            a_rollup("45", indicator=SCALE, reported=1, carried_value=Decimal(45)),
            until=lambda: rests_on(SCALE_TARGET, 1),
        )
        after(
            a_rollup("50", version=3),
            a_rollup("15", indicator=ENERGY, period="2024", status=Status.ESTIMATED),
            until=lambda: service.verdicts() == {
                SMES_TARGET: "on_track", ENERGY_TARGET: "achieved", SCALE_TARGET: "no_data"
            },
        )  # fmt: skip
        after(a_rollup(None, version=4), until=lambda: service.verdicts()[SMES_TARGET] == "no_data")
        # A due date passes: nobody's event.
        service.clock.move_to(NOW + timedelta(days=40))
        eventually(lambda: service.rows("SELECT 1 FROM assessment WHERE overdue > 0"))
        told += _ask_everything(service, reader)
        renamed = a_catalogue(
            targets=[a_target(name="改名后的目标", value="36", responsible={"lead": DEPARTMENT}), a_target("new-one")]
        )
        then(
            lambda: service.publisher.publish_catalogue(renamed, version=2),
            until=lambda: set(service.verdicts()) == {SMES_TARGET, "new-one"},
        )
        then(
            lambda: service.publisher.publish_catalogue(version=3),
            until=lambda: set(service.verdicts()) == {SMES_TARGET, SCALE_TARGET, ENERGY_TARGET},
        )

        for one in told:
            assert one.again(reader, one.token) == (one.status, one.answer), (one.path, one.query, one.token)
        # By time: where several moments have the same, the last of them is meant.
        last_of = {one.at: one.token for one in told}
        for one in told:
            if last_of[one.at] == one.token:
                assert one.again(reader, one.at) == (one.status, one.answer), (one.path, one.query, one.at)
        assert len({one.token for one in told}) == 9
        assert {one.status for one in told} == {200, 404}

    with service.api() as fresh:
        eventually(lambda: fresh.get("/v1/assessments").status_code == 200)
        for one in told:
            assert one.again(fresh, one.token) == (one.status, one.answer)


@pytest.mark.parametrize(
    ("as_of", "remedy"),
    [
        ("aggregation:1@1776211200000", "aggregation"),
        ("alerting:99999@1776211200000", "99999"),
        ("yesterday", "alerting:42@1776211200000"),
        ("2026-04-15T18:00:00", "+08:00"),
        ("1999-12-31T00:00:00Z", "最早可查"),
        ("2199-12-31T00:00:00Z", "将来"),
        ("alerting:1@5", "恢复"),
    ],
)
def test_a_moment_that_is_none_is_refused_with_what_to_write(service: Service, as_of: str, remedy: str) -> None:
    with service.worker(), service.api() as reader:
        eventually(lambda: len(service.verdicts()) == 3)
        for path in ("/v1/assessments", f"/v1/assessments/{SMES_TARGET}"):
            answer = reader.get(path, as_of=as_of)
            assert answer.status_code == 422
            [fault] = answer.json()["errors"]
            assert (fault["pointer"], fault["code"]) == ("query:as_of", "unknown_moment")
            assert remedy in fault["detail"]


def test_pages_of_one_moment_hold_together_while_verdicts_move(service: Service) -> None:
    with service.worker(), service.api() as reader:
        eventually(lambda: len(service.verdicts()) == 3)
        first = reader.get("/v1/assessments", limit=2).json()
        service.publisher.publish(a_rollup("20"))
        eventually(lambda: service.verdicts()[SMES_TARGET] == "off_track")
        query = {"limit": 2, "cursor": first["next"]}
        [then] = reader.get("/v1/assessments", **query, as_of=first["as_of"]).json()["items"]
        [now] = reader.get("/v1/assessments", **query).json()["items"]
        assert (then["target"], then["verdict"], now["verdict"]) == (SMES_TARGET, "no_data", "off_track")
