"""The four ones over HTTP: scores that silence, corrections and the clock move, as they are and as they were."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from integration.aggregation.keeping import TODAY, Aggregation, a_figure, a_submission, a_withdrawal
from integration.aggregation.serving import Client, grant, serving
from support.catalogue import CITY, DEPARTMENT, DIGITAL, ENERGY, MACHINERY, a_catalogue, a_target, an_indicator
from support.waiting import eventually

from fourones_aggregation import bootstrap
from fourones_shared.catalogue.model import Catalogue
from fourones_shared.domain.periods import shanghai_date
from fourones_shared.events.model import FiguresSubmitted, FigureSubmitted, Role, Status
from fourones_shared.settings import ServiceSettings

TASK_FORCE, ALLIANCE = "task-force", "alliance"
WEEKS = ("2026-W10", "2026-W11", "2026-W12", "2026-W13")


def a_pillar_indicator(id: str, frequency: str, pillar: str = TASK_FORCE, **changes: Any) -> dict[str, Any]:  # noqa: A002
    reporting = {
        "about": "city",
        "by": "cluster-lead",
        "frequency": frequency,
        "first": date(2026, 1, 1),
        "due_days": 7,
        "may_not_apply": [CITY],
    }
    fields = {"covers": "period", "unit": "次", "measure": "count", "pillar": pillar, "over_organisations": "none"}
    return an_indicator(id, **(fields | {"over_clusters": "none"} | changes), reporting=reporting)


def a_pillar_target(id: str, indicator: str, **changes: Any) -> dict[str, Any]:  # noqa: A002
    fields = {"indicator": indicator, "pillar": TASK_FORCE, "cluster": MACHINERY, "value": 1, "unit": "次", "by": None}
    return a_target(id, **(fields | changes))


def the_catalogue(*, weight: int = 1) -> Catalogue:
    """Weekly meetings and monthly reports of two clusters; the alliance has a count without target."""
    targets = [
        a_pillar_target(f"{name}-{cluster}", name, cluster=cluster, per=per, weight=weight if per == "week" else 1)
        for cluster in (MACHINERY, ENERGY)
        for name, per in (("meetings", "week"), ("reports", "month"))
    ]
    indicators = [
        a_pillar_indicator("meetings", "W"),
        a_pillar_indicator("reports", "M"),
        a_pillar_indicator("standards", "Q", ALLIANCE, kind="stock", unit="项"),
    ]
    pillars = [{"id": p, "name": p, "source": "test"} for p in (TASK_FORCE, ALLIANCE)]
    return a_catalogue(indicators=indicators, targets=targets, pillars=pillars)


@contextmanager
def a_client(aggregation: Aggregation) -> Iterator[Client]:
    """The API with the same clock as the worker."""
    key = grant(aggregation.url, Role.VIEWER)
    with serving(bootstrap.api(ServiceSettings(database_url=aggregation.url), aggregation.clock)) as address:
        client = Client(address, key)
        try:
            eventually(lambda: client.get("/readyz").status_code == 200)
            yield client
        finally:
            client.close()


@pytest.fixture
def aggregation(empty: Aggregation) -> Aggregation:
    empty.put(the_catalogue())
    return empty


@pytest.fixture
def client(aggregation: Aggregation) -> Iterator[Client]:
    with a_client(aggregation) as running:
        yield running


def meeting(week: str, value: str | None = "1", **changes: Any) -> FigureSubmitted:
    return a_figure(value, indicator="meetings", period=week, **changes)


def report(*figures: FigureSubmitted, aggregation: Aggregation) -> None:
    """The cluster's lead reports about the city."""
    aggregation.apply(a_submission(*figures, org=CITY, reported_by=DEPARTMENT))


def cell(client: Client, cluster: str = MACHINERY, pillar: str = TASK_FORCE, **query: str) -> dict[str, Any]:
    answer = client.get("/v1/four-ones", cluster=cluster, pillar=pillar, **query)
    assert answer.status_code == 200, answer.text
    [item] = answer.json()["items"]
    return dict(item)


def made_of(client: Client, target: str, **query: str) -> dict[str, Any]:
    answer = client.get(f"/v1/four-ones/{MACHINERY}", pillar=TASK_FORCE, **query)
    assert answer.status_code == 200, answer.text
    [item] = answer.json()["items"]
    [part] = [part for part in item["made_of"] if part["target"] == target]
    return dict(part)


def test_the_matrix_has_every_cluster_by_every_pillar_and_says_why_one_has_no_score(
    aggregation: Aggregation, client: Client
) -> None:
    report(*(meeting(week) for week in WEEKS), aggregation=aggregation)
    report(a_figure("7", indicator="standards", period="2026-Q1"), aggregation=aggregation)
    answer = client.get("/v1/four-ones").json()
    # March has ended, April has not.
    assert answer["period"] == "2026-03"
    assert answer["next"] is None
    found = {(i["cluster"], i["pillar"]): (i["state"], i["score"]) for i in answer["items"]}
    assert found == {
        (MACHINERY, TASK_FORCE): ("scored", "0.5"),
        (MACHINERY, ALLIANCE): ("no_target", None),
        (ENERGY, TASK_FORCE): ("scored", "0"),
        (ENERGY, ALLIANCE): ("no_target", None),
        (DIGITAL, TASK_FORCE): ("no_target", None),
        (DIGITAL, ALLIANCE): ("no_target", None),
    }
    assert cell(client)["coverage"] == {"reported": 4, "expected": 5, "missing": ["reports:2026-03"]}
    assert cell(client)["counts"] == []
    assert cell(client, pillar=ALLIANCE)["coverage"] == {"reported": 0, "expected": 0, "missing": []}
    assert cell(client, pillar=ALLIANCE)["counts"] == [
        {"indicator": "standards", "period": "2026-Q1", "value": "7", "unit": "项", "state": "reported"}
    ]
    [silent] = cell(client, ENERGY, ALLIANCE)["counts"]
    assert (silent["period"], silent["value"], silent["state"]) == ("2026-Q1", None, "overdue")


def test_a_score_tells_what_it_is_made_of(aggregation: Aggregation, client: Client) -> None:
    weeks = [meeting(week, value) for week, value in zip(WEEKS, ("1", "2", "0", "1"), strict=True)]
    report(*weeks, a_figure("1", indicator="reports", period="2026-03"), aggregation=aggregation)
    answer = client.get(f"/v1/four-ones/{MACHINERY}", period="2026-M03").json()
    scored, uncounted = answer["items"]
    assert (scored["score"], scored["period"], uncounted["state"]) == ("0.875", "2026-03", "no_target")
    meetings, reports = scored["made_of"]
    assert {name: value for name, value in meetings.items() if name != "instances"} == {
        "target": f"meetings-{MACHINERY}",
        "indicator": "meetings",
        "unit": "次",
        "reached": "3",
        "due": "4",
        "attainment": "0.75",
        "weight": "1",
        "state": "reported",
    }
    assert [(i["period"], i["value"], i["attainment"]) for i in meetings["instances"]] == [
        ("2026-W10", "1", "1"),
        ("2026-W11", "2", "1"),
        ("2026-W12", "0", "0"),
        ("2026-W13", "1", "1"),
    ]
    assert (reports["attainment"], reports["reached"], reports["due"]) == ("1", "1", "1")


def test_overdue_declared_missing_and_not_applicable_are_told_apart(aggregation: Aggregation, client: Client) -> None:
    target = f"meetings-{MACHINERY}"
    report(*(meeting(week) for week in WEEKS[:3]), aggregation=aggregation)
    assert (made_of(client, target)["state"], made_of(client, target)["attainment"]) == ("overdue", "0.75")
    report(meeting(WEEKS[3], None, status=Status.MISSING), aggregation=aggregation)
    assert (made_of(client, target)["state"], made_of(client, target)["attainment"]) == ("declared_missing", "0.75")
    assert cell(client)["coverage"]["missing"] == [f"meetings:{WEEKS[3]}", "reports:2026-03"]
    report(meeting(WEEKS[3], None, status=Status.NOT_APPLICABLE), aggregation=aggregation)
    assert (made_of(client, target)["state"], made_of(client, target)["attainment"]) == ("reported", "1")
    assert cell(client)["coverage"] == {"reported": 3, "expected": 4, "missing": ["reports:2026-03"]}


def test_a_withdrawn_figure_is_silence_again(aggregation: Aggregation, client: Client) -> None:
    report(*(meeting(week) for week in WEEKS), aggregation=aggregation)
    before = cell(client)["score"]
    report(a_withdrawal(indicator="meetings", period=WEEKS[0]), aggregation=aggregation)
    assert (before, cell(client)["score"]) == ("0.5", "0.375")


def test_silence_and_the_clock_move_a_score_without_any_event(empty: Aggregation) -> None:
    empty.clock.move_to(datetime(2026, 4, 5, 4, tzinfo=UTC))
    empty.put(the_catalogue())
    report(*(meeting(week) for week in WEEKS[:3]), aggregation=empty)
    question = {"cluster": MACHINERY, "pillar": TASK_FORCE, "period": "2026-03"}
    with a_client(empty) as client:
        early = client.get("/v1/four-ones", **question)
        # The last week is due by the end of 5 April, the month's report two days later.
        assert early.json()["items"][0]["score"] == "1"
        tag = early.headers["ETag"]
        assert client.get("/v1/four-ones", tag=tag, **question).status_code == 304
        empty.clock.move_to(datetime(2026, 4, 6, 4, tzinfo=UTC))
        assert client.get("/v1/four-ones", tag=tag, **question).json()["items"][0]["score"] == "0.75"
        empty.clock.move_to(TODAY)
        assert cell(client, period="2026-03")["score"] == "0.375"


def test_what_was_said_at_a_moment_is_said_again_byte_for_byte(aggregation: Aggregation, client: Client) -> None:
    report(*(meeting(week) for week in WEEKS), aggregation=aggregation)
    asked = [("/v1/four-ones", {"period": "2026"}), (f"/v1/four-ones/{MACHINERY}", {}), ("/v1/four-ones", {})]
    answers = [client.get(path, **query) for path, query in asked]
    report(meeting(WEEKS[0], "0"), a_figure("1", indicator="reports", period="2026-03"), aggregation=aggregation)
    aggregation.put(the_catalogue(weight=3))
    aggregation.clock.move_to(datetime(2026, 6, 20, 4, tzinfo=UTC))
    aggregation.ticker.tick()
    # Three times three quarters of the meetings, and the report.
    assert cell(client, period="2026-03")["score"] == "0.8125"
    for (path, query), answer in zip(asked, answers, strict=True):
        again = client.get(path, **query, as_of=answer.json()["as_of"])
        assert again.content == answer.content


def test_periods_of_any_form_are_scored(aggregation: Aggregation, client: Client) -> None:
    report(meeting("2026-W10"), aggregation=aggregation)
    assert cell(client, period="2026-W10")["score"] == "1"
    assert cell(client, period="2026-03-02/P2W")["score"] == "0.5"
    quarter = cell(client, period="2026-Q1")
    # Twelve weeks, for the first began before the duty, and three months.
    assert (quarter["coverage"]["reported"], quarter["coverage"]["expected"]) == (1, 15)
    assert cell(client, period="2026-05")["state"] == "not_yet_due"
    assert cell(client, period="2031")["state"] == "no_target"


def test_pages_hold_every_cell_once(client: Client) -> None:
    whole = client.get("/v1/four-ones").json()["items"]
    pages: list[list[dict[str, Any]]] = []
    cursor = None
    while cursor is not None or not pages:
        query = {"limit": "4"} | ({"cursor": cursor} if cursor else {})
        page = client.get("/v1/four-ones", **query).json()
        pages.append(page["items"])
        cursor = page["next"]
    assert [len(page) for page in pages] == [4, 2]
    assert [item for page in pages for item in page] == whole


@pytest.mark.parametrize(
    ("query", "codes"),
    [
        ({"period": "2026-13"}, ["invalid_period"]),
        ({"cluster": "textiles", "pillar": "five"}, ["unknown_cluster", "unknown_pillar"]),
        ({"month": "2026-03"}, ["unknown_parameter"]),
        ({"as_of": "alerting:1@1"}, ["unknown_moment"]),
    ],
)
def test_a_wrong_question_is_told_every_fault(client: Client, query: dict[str, str], codes: list[str]) -> None:
    answer = client.get("/v1/four-ones", **query)
    assert answer.status_code == 422
    assert [fault["code"] for fault in answer.json()["errors"]] == codes


def test_an_unknown_cluster_is_not_found_and_the_known_ones_are_named(client: Client) -> None:
    answer = client.get("/v1/four-ones/textiles")
    assert answer.status_code == 404
    assert MACHINERY in answer.json()["detail"]


# The last day on which each figure is not overdue yet: seven days after the week's Sunday, or the month's last day.
DUE = {
    ("meetings", "2026-W10"): date(2026, 3, 15),
    ("meetings", "2026-W11"): date(2026, 3, 22),
    ("meetings", "2026-W12"): date(2026, 3, 29),
    ("meetings", "2026-W13"): date(2026, 4, 5),
    ("reports", "2026-03"): date(2026, 4, 7),
}


class Plainly:
    """What was reported of March, and what it comes to: written without the service's code."""

    def __init__(self) -> None:
        self.newest: dict[tuple[str, str, str], tuple[int, FigureSubmitted]] = {}

    def note(self, submission: FiguresSubmitted) -> None:
        for figure in submission.figures:
            key = figure.cluster, figure.indicator, figure.period
            if key not in self.newest or self.newest[key][0] < submission.sequence:
                self.newest[key] = submission.sequence, figure

    def cell(self, cluster: str, weight: int, today: date) -> tuple[str, Decimal | None, int, int]:
        """State, score, reported, expected of a cluster's task force."""
        weighed = reached = Decimal(0)
        reported = expected = 0
        any_due = False
        for indicator, weighs in (("meetings", weight), ("reports", 1)):
            shares = []
            for (name, period), last_day in DUE.items():
                if name == indicator and last_day < today:
                    any_due = True
                    _, figure = self.newest.get((cluster, name, period), (0, None))
                    if figure is not None and figure.status is Status.NOT_APPLICABLE:
                        continue
                    value = None if figure is None or figure.withdrawn else figure.value
                    expected += 1
                    reported += value is not None
                    shares.append(min(value or Decimal(0), Decimal(1)))
            if shares:
                weighed += weighs
                reached += weighs * sum(shares, Decimal(0)) / len(shares)
        if not weighed:
            return ("not_applicable" if any_due else "not_yet_due"), None, reported, expected
        return "scored", (reached / weighed).quantize(Decimal("1e-6")), reported, expected


@pytest.mark.parametrize("seed", range(3))
def test_whatever_happens_every_score_is_what_a_plain_reckoning_says(empty: Aggregation, seed: int) -> None:
    chance, plainly, weight = random.Random(seed), Plainly(), 1  # noqa: S311 - repeatable, no secret
    empty.clock.move_to(datetime(2026, 3, 10, 4, tzinfo=UTC))
    empty.put(the_catalogue())
    waiting: list[FiguresSubmitted] = []
    scores: set[Decimal | None] = set()
    with a_client(empty) as client:
        for _ in range(60):
            match chance.choice(("report", "report", "report", "apply", "repeat", "day", "catalogue")):
                case "report":
                    waiting.append(a_submission(*some_figures(chance), org=CITY, reported_by=DEPARTMENT))
                case "apply" if waiting:
                    chance.shuffle(waiting)
                    empty.apply(*waiting)
                    for submission in waiting:
                        plainly.note(submission)
                    waiting = []
                case "repeat" if waiting:
                    empty.apply(waiting[0], waiting[0])
                    plainly.note(waiting[0])
                case "day":
                    empty.clock.advance(timedelta(days=chance.randrange(1, 7)))
                    empty.ticker.tick()
                case "catalogue":
                    weight = chance.choice((1, 2, 5))
                    empty.put(the_catalogue(weight=weight))
            today = shanghai_date(empty.clock.now())
            for cluster in (MACHINERY, ENERGY):
                shown = cell(client, cluster, period="2026-03")
                score = None if shown["score"] is None else Decimal(shown["score"])
                coverage = shown["coverage"]
                found = shown["state"], score, coverage["reported"], coverage["expected"]
                assert found == plainly.cell(cluster, weight, today), (cluster, today)
                scores.add(score)
    assert len(scores) > 5, "too little has happened to tell anything"


def some_figures(chance: random.Random) -> list[FigureSubmitted]:
    figures = []
    for cluster in (MACHINERY, ENERGY):
        for indicator, period in DUE:
            if chance.random() < 0.4:
                words = {"indicator": indicator, "period": period, "cluster": cluster}
                kind = chance.choice(("value", "value", "value", "missing", "not applicable", "withdrawn"))
                if kind == "value":
                    figures.append(a_figure(str(chance.randrange(3)), **words))
                elif kind == "withdrawn":
                    figures.append(a_withdrawal(**words))
                else:
                    status = Status.MISSING if kind == "missing" else Status.NOT_APPLICABLE
                    figures.append(a_figure(None, status=status, **words))
    return figures or [meeting("2026-W10")]
