"""Everything that the boards ask, asked of the real Prometheus and PostgreSQL with the demonstration's figures."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from sqlalchemy import make_url
from support.system import SystemClient
from support.waiting import eventually

from fourones_grafana.boards import boards
from fourones_grafana.boards.common import LIGHT
from fourones_grafana.checking.asking import Asking, Postgres, Prometheus
from fourones_grafana.checking.examining import Examined, examine
from fourones_local.stack import Stack
from fourones_shared.database import BOARDS_ROLE

pytestmark = pytest.mark.e2e

# What a healthy system with no channels has nothing of. Everything else must have something to show.
NOTHING_OF = {
    ("县区", "未销号问题"),
    ("牵头部门", "发出的通知"),
    ("系统", "搁置的消息"),
    ("系统", "系统告警"),
    ("系统", "最近核对"),
}
COUNTY = "320382"


@pytest.fixture(scope="module")
def asking(whole_system: Stack) -> Iterator[Asking]:
    whole_system.demonstrate()
    _report_with_every_outcome(whole_system)
    addresses = {
        service: make_url(whole_system.postgres.url(service, role=BOARDS_ROLE))
        .set(drivername="postgresql")
        .render_as_string(hide_password=False)
        for service in whole_system.services
    }
    prometheus, postgres = Prometheus(whole_system.endpoints["prometheus"]), Postgres(addresses)
    with Asking(prometheus, postgres, datetime.now(UTC)) as made:
        judged = postgres.ask("alerting", "SELECT count(*) FROM boards.assessment").rows[0][0]

        def recorded() -> bool:
            found = prometheus.now(f"count({LIGHT})", datetime.now(UTC))
            # Punctuality is counted once a minute, and a rate takes two scrapes.
            late = prometheus.now("sum(reporter:fourones_reports_late:max) > 0", datetime.now(UTC))
            outcomes = "count(count by (outcome) (rate(fourones_submissions_total[5m]) > 0)) == 5"
            # A reason's series begins with the first refusal.
            reasons = "count(rate(fourones_submission_faults_total[5m]))"
            seen = f"job:fourones_http_requests:rate5m and on () {outcomes} and on () {reasons}"
            rates = prometheus.now(seen, datetime.now(UTC))
            return bool(late) and bool(rates) and bool(found) and found[0].points[0][1] == judged

        eventually(recorded, within_s=150)
        made.at = datetime.now(UTC)
        yield made


def _report_with_every_outcome(stack: Stack) -> None:
    # A cluster that the other tests of this system leave alone.
    figure = {"indicator": "cluster-scale", "cluster": "high-end-textiles", "period": "2024-03", "unit": "亿元"}
    with closing(SystemClient(stack.endpoints)) as client:
        for value in ("10.5", "11.25"):
            client.submit(COUNTY, [figure | {"value": value, "justification": "补报"}])
        # Each outcome once that the boards have a word for; the first is accepted already.
        refused = client.post(COUNTY, {"org": COUNTY, "figures": [figure | {"value": "1", "unit": "万元"}]})
        forbidden = client.post(COUNTY, {"org": "320381", "figures": [figure | {"value": "1"}]})
        body = {"org": COUNTY, "figures": [figure | {"value": "11.5", "justification": "补报"}]}
        checked = client.post(COUNTY, body, dry_run="true")
        again = [client.post(COUNTY, body, "posted-twice") for _ in range(2)]
        statuses = [answer.status_code for answer in (refused, forbidden, checked, *again)]
        assert statuses == [422, 403, 200, 202, 202]

        def applied() -> bool:
            history = client.get("aggregation", "/v1/figures/history", org=COUNTY, **_of(figure))
            return [item["value"] for item in history["items"]].count("11.25") == 1

        eventually(applied)


def _of(figure: dict[str, str]) -> dict[str, str]:
    return {name: figure[name] for name in ("indicator", "cluster", "period")}


@pytest.fixture(scope="module")
def examined(asking: Asking) -> list[Examined]:
    """Every question of every board, with every value of its variables; none may take longer than a second."""
    return [one for board in boards() for one in examine(board, asking)]


# `monitored_system` tells the stack to start Prometheus.
def test_every_panel_shows_what_it_says_with_every_value_of_its_variables(
    monitored_system: Stack, examined: list[Examined]
) -> None:
    assert [f"{one.board.title} / {one.title}: {fault}" for one in examined for fault in one.faults] == []
    silent = {(one.board.title, one.title) for one in examined if one.panel.queries and not one.sample}
    assert silent <= NOTHING_OF
    assert sum(one.asked for one in examined) > 1000


def test_the_history_of_the_boards_is_what_the_service_has_judged_by(monitored_system: Stack, asking: Asking) -> None:
    judged = asking.rows("alerting", "SELECT target, period, value, due_value FROM boards.assessment").rows
    with_value = [row for row in judged if row[2] is not None]
    assert len(with_value) > 30
    for target, period, value, due_value in with_value:
        # As the boards ask, for one target at a time.
        history = asking.rows(
            "alerting",
            f"SELECT value, due_value FROM boards.target_history WHERE target = '{target}' AND period = '{period}'",  # noqa: S608
        )
        [(shown, due)] = history.rows
        assert shown == value, target
        # A target without a way is due at its end only, which no curve shows.
        assert due is None or due_value is None or abs(due - due_value) < Decimal("0.000001"), target


def test_the_counties_owe_what_the_explanation_of_a_gap_says(monitored_system: Stack, asking: Asking) -> None:
    different = asking.rows(
        "alerting",
        "SELECT p.target, p.part, p.due_value, t.due_value FROM boards.gap_part p"
        " JOIN boards.target g ON g.target = p.target AND g.cluster <> '_T'"
        " LEFT JOIN boards.attainment t ON t.target = p.target AND t.org = p.part"
        " WHERE p.part_of = 'org' AND p.due_value IS NOT NULL"
        " AND (t.org IS NULL OR t.value <> p.value OR abs(t.due_value - p.due_value) > 0.00001)",
    )
    assert different.rows == []
    assert asking.rows("alerting", "SELECT count(*) FROM boards.attainment").rows[0][0] > 100
