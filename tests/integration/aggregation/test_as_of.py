"""What was known then: every answer can be had again, byte for byte, whatever has come since."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from difflib import unified_diff
from typing import Any

import pytest
from integration.aggregation.keeping import TODAY, Aggregation, a_figure, a_submission, a_withdrawal, published
from integration.aggregation.kinds import (
    GROWTH,
    OUTPUT,
    PEAK,
    PUBLISHED,
    REACHED,
    SHARE,
    STAFF,
    WAGE,
    a_catalogue_of_kinds,
    indicators,
)
from integration.aggregation.operating import Installation
from integration.aggregation.serving import Client, an_api
from integration.aggregation.topics import Kafka
from sqlalchemy import text
from support.catalogue import (
    ADVANTAGE,
    CITY,
    CLUSTERS,
    FIRMS,
    MACHINERY,
    PEI,
    SCALE,
    XINYI,
    ZONE,
    a_catalogue,
    a_target,
    an_indicator,
    default_organisations,
)
from support.waiting import eventually

from fourones_aggregation.asof import read_as_of
from fourones_shared.catalogue.model import Catalogue
from fourones_shared.events.model import FiguresSubmitted, FigureSubmitted, Status

MARCH, MEETINGS, TASK_FORCE = "2026-03", "meetings", "task-force"
Question = tuple[str, Mapping[str, str]]

QUESTIONS: Sequence[Question] = (
    ("/v1/rollups", {"period": MARCH, "limit": "1000"}),
    ("/v1/rollups", {"indicator": SCALE, "limit": "40"}),
    ("/v1/rollups", {"period": "2026-Q1", "limit": "300"}),
    ("/v1/rollups", {"period": "2026", "org": "_T", "limit": "1000"}),
    ("/v1/rollups", {"tier": ADVANTAGE, "limit": "1000"}),
    ("/v1/rollups", {"org": PEI, "cluster": MACHINERY, "limit": "1000"}),
    ("/v1/rollups/history", {"indicator": SCALE, "period": MARCH}),
    ("/v1/rollups/history", {"indicator": SCALE, "period": MARCH, "org": PEI, "cluster": MACHINERY}),
    ("/v1/rollups/history", {"indicator": FIRMS, "period": "2025"}),
    ("/v1/figures/history", {"indicator": SCALE, "org": PEI, "cluster": MACHINERY, "period": MARCH}),
    ("/v1/series", {"indicator": SCALE, "measure": "single_period"}),
    ("/v1/series", {"indicator": STAFF, "org": PEI, "cluster": MACHINERY, "measure": "mom"}),
    ("/v1/series", {"indicator": OUTPUT, "frequency": "Q", "measure": "yoy"}),
    ("/v1/series", {"indicator": SHARE, "frequency": "A"}),
    ("/v1/export", {"period": MARCH}),
    ("/v1/export", {"period": "2026-S1", "format": "sdmx-csv"}),
    ("/v1/four-ones", {}),
    (f"/v1/four-ones/{MACHINERY}", {"period": "2026-Q1"}),
)


@dataclass(frozen=True)
class Told:
    """An answer, and how to ask for it again."""

    question: Question
    content: bytes
    token: str
    at: datetime

    def again(self, client: Client, as_of: str) -> None:
        path, query = self.question
        answer = client.get(path, **query, as_of=as_of)
        assert answer.status_code == 200, f"{path} {query} as of {as_of}: {answer.text}"
        if answer.content != self.content:
            then, now = (
                content.decode().replace("},{", "},\n{").splitlines() for content in (self.content, answer.content)
            )
            differs = "\n".join(unified_diff(then, now, "then", "now", n=0))
            raise AssertionError(f"{path} {query} as of {as_of}:\n{differs}")


@dataclass
class Recorder:
    """Asks every question, and keeps the answers."""

    client: Client
    told: list[Told] = field(default_factory=list)

    def ask(self, at: datetime) -> None:
        for question in QUESTIONS:
            answer = self.client.get(question[0], **question[1])
            # A catalogue may lack the indicator for a while.
            if answer.status_code != 404:
                assert answer.status_code == 200, answer.text
                self.told.append(Told(question, answer.content, _token(answer), at))

    def hold(self) -> None:
        """That every answer is given again to who names its moment."""
        for one in self.told:
            one.again(self.client, one.token)


def _token(answer: Any) -> str:
    named = answer.headers.get("fourones-as-of")
    return str(named if named is not None else answer.json()["as_of"])


def the_catalogues() -> list[Catalogue]:
    """Ways in which a catalogue changes: who stands, who is there, what is named, due, weighed, reported, counted."""
    meetings = an_indicator(
        MEETINGS,
        covers="period",
        unit="次",
        measure="count",
        pillar=TASK_FORCE,
        over_organisations="none",
        over_clusters="none",
        reporting={"about": "city", "by": "cluster-lead", "frequency": "W", "due_days": 7},
    )
    weekly = a_target("weekly", indicator=MEETINGS, pillar=TASK_FORCE, cluster=MACHINERY, value=1, unit="次", by=None)
    every = {
        "pillars": [{"id": TASK_FORCE, "name": "专班", "source": "test"}],
        "targets": [a_target(), weekly | {"per": "week"}],
    }
    without_xinyi = [
        o | ({"within": [PEI]} if o["id"] == ZONE else {}) for o in default_organisations() if o["id"] != XINYI
    ]

    def kinds(
        changed: Mapping[str, dict[str, Any]] | None = None, *, stands: str = "counties", without: Sequence[str] = ()
    ) -> list[dict[str, Any]]:
        made = [i | (changed or {}).get(i["id"], {}) for i in [*indicators(stands=stands), meetings]]
        return [i for i in made if i["id"] not in without]

    named = [
        *every["targets"],
        a_target("firms", indicator=FIRMS, unit="家"),
        a_target("own", org=PEI, cluster=MACHINERY),
    ]
    later = {"reporting": indicators()[0]["reporting"] | {"due_days": 60, "first": date(2026, 2, 1)}}
    return [
        a_catalogue(indicators=kinds(), **every),
        a_catalogue(indicators=kinds(stands="department"), **every),
        a_catalogue(indicators=kinds(), **every, organisations=without_xinyi),
        a_catalogue(indicators=kinds({PUBLISHED: {"zones": "inside"}}), **every, organisations=without_xinyi),
        a_catalogue(indicators=kinds({SCALE: later}), **every | {"targets": named}),
        a_catalogue(
            indicators=kinds({OUTPUT: {"unit": "万元"}, "sales": {"unit": "万元"}}), **every | {"targets": named}
        ),
        a_catalogue(indicators=kinds(without=(SHARE, GROWTH, REACHED, STAFF, WAGE)), **every),
    ]


def some_figures(chance: random.Random) -> FiguresSubmitted:
    """First values, corrections, gaps, withdrawals; of the city or of a county; some ahead of time, some unheard of."""
    org = chance.choice([PEI, PEI, XINYI, ZONE, CITY])
    figures: dict[tuple[str, str, str], FigureSubmitted] = {}
    for _ in range(chance.randint(1, 8)):
        indicator = chance.choice(
            [FIRMS, GROWTH, PUBLISHED] if org == CITY else [SCALE, OUTPUT, STAFF, "sales", PEAK, WAGE]
        )
        period = chance.choice(["2025-03", "2026-01-01/P2M", "2026-02", MARCH, MARCH, "2026-05"])
        cluster = chance.choice([MACHINERY, *CLUSTERS])
        if org == CITY and chance.random() < 0.3:
            indicator, period = MEETINGS, chance.choice(["2026-W10", "2026-W12"])
        if indicator in {FIRMS, GROWTH}:
            cluster, period = "_T", "2025" if indicator == FIRMS else MARCH
        fields = {"indicator": indicator, "cluster": cluster, "period": period}
        figures[indicator, cluster, period] = chance.choice(
            [
                a_figure(str(chance.randint(1, 200)), **fields),
                a_figure(f"{chance.randint(-50, 50)}.{chance.randint(0, 99)}", **fields, status=Status.PROVISIONAL),
                a_figure(None, **fields),
                a_withdrawal(**fields),
            ]
        )
    return a_submission(*figures.values(), org=org)


def random_steps(aggregation: Aggregation, chance: random.Random) -> Iterator[Callable[[], None]]:
    """What happens to an installation, in any order: figures (late ones, too), catalogues there and back, days."""
    catalogues = the_catalogues()
    held: list[FiguresSubmitted] = []

    def figures() -> None:
        aggregation.apply(*(some_figures(chance) for _ in range(chance.randint(1, 3))))

    def late() -> None:
        # Numbered now, applied at the next time.
        held.append(some_figures(chance))
        if len(held) > 1:
            aggregation.apply(held.pop(0))

    def catalogue() -> None:
        aggregation.put(chance.choice(catalogues))

    def days() -> None:
        aggregation.clock.advance(timedelta(days=chance.randint(1, 20)))
        aggregation.ticker.tick()

    def nothing() -> None:
        aggregation.clock.advance(timedelta(hours=5))

    while True:
        yield chance.choice([figures, figures, figures, late, catalogue, days, nothing])


@pytest.mark.parametrize("seed", [1, 2])
def test_as_of_answers_are_what_the_api_answered_at_that_moment(empty: Aggregation, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - the same flow every time
    empty.put(the_catalogues()[0])
    with an_api(empty.url, clock=empty.clock) as client:
        recorder = Recorder(client)
        steps = random_steps(empty, chance)
        for _ in range(14):
            # Time that a moment can be told by passes between any two.
            empty.clock.advance(timedelta(seconds=1))
            next(steps)()
            empty.clock.advance(timedelta(milliseconds=1))
            recorder.ask(empty.clock.now())
        empty.clock.advance(timedelta(days=40))
        empty.ticker.tick()
        empty.apply(*(some_figures(chance) for _ in range(3)))
        empty.put(a_catalogue_of_kinds())
        recorder.hold()
        for one in recorder.told:
            one.again(client, one.at.isoformat())
        distinct = {one.content for one in recorder.told}
        assert len(distinct) > len(recorder.told) / 2, "little has happened that could have been forgotten"


def test_answers_outlive_a_rebuild(kafka_bootstrap: str, topic_prefix: str, empty: Aggregation) -> None:
    installation = Installation(Kafka(kafka_bootstrap, topic_prefix), empty)
    chance = random.Random(3)  # noqa: S311 - the same flow every time
    with installation.workers():
        recorded = [_lived(installation, version, catalogue, chance) for version, catalogue in _first_catalogues()]
    with an_api(empty.url, clock=installation.clock) as client:

        def hold() -> None:
            for recorder in recorded:
                Recorder(client, recorder.told).hold()

        hold()
        installation.rebuild()
        hold()
        with empty.engine.begin() as connection:
            gone = connection.execute(_SOME_ARE_LOST).rowcount
        assert gone
        assert installation.rebuild().added == gone
        hold()


# The log does not tell when a submission was applied: what is left of it does.
_SOME_ARE_LOST = text(
    "DELETE FROM figure f WHERE status = 'P' AND EXISTS (SELECT FROM figure o WHERE o.submission_id = f.submission_id"
    " AND o.sequence = f.sequence AND o.status <> 'P')"
)


def _first_catalogues() -> Iterator[tuple[int, Catalogue]]:
    return iter(list(enumerate(the_catalogues(), 1))[:4])


def _lived(installation: Installation, version: int, catalogue: Catalogue, chance: random.Random) -> Recorder:
    """A catalogue, two rounds of figures, and what was answered after each."""
    database = installation.database
    installation.clock.advance(timedelta(days=9))
    installation.write(published(version, catalogue))
    eventually(lambda: database.reference.known(version))
    with an_api(database.url, clock=installation.clock) as client:
        recorder = Recorder(client)
        for _ in range(2):
            installation.write(*(some_figures(chance) for _ in range(4)))
            installation.until_applied()
            recorder.ask(installation.clock.now())
    return recorder


# -- how a moment is named -------------------------------------------------------------------------------------------


@pytest.fixture
def client(aggregation: Aggregation) -> Iterator[Client]:
    with an_api(aggregation.url, clock=aggregation.clock) as running:
        yield running


SCALE_OF_MARCH = {"indicator": SCALE, "period": MARCH, "org": "_T", "cluster": "_T", "tier": "_T"}


def test_a_token_names_figures_catalogue_and_clock(aggregation: Aggregation, client: Client) -> None:
    aggregation.apply(a_submission(a_figure("1")))
    first = client.get("/v1/rollups", **SCALE_OF_MARCH).json()
    asked = read_as_of(first["as_of"])
    assert (asked.snapshot, asked.at) == (2, TODAY)
    aggregation.apply(a_submission(a_figure("2")))
    assert client.rollup(**SCALE_OF_MARCH, as_of="aggregation:2")["value"] == "1"
    assert client.rollup(**SCALE_OF_MARCH, as_of="aggregation:3")["value"] == "2"
    assert client.rollup(**SCALE_OF_MARCH, as_of="2026-04-15T12:00:00+08:00")["value"] == "2"


def test_a_time_names_the_last_snapshot_taken_by_then(aggregation: Aggregation, client: Client) -> None:
    for value in ("1", "2"):
        aggregation.clock.advance(timedelta(hours=1))
        aggregation.apply(a_submission(a_figure(value)))
    between = (TODAY + timedelta(minutes=90)).isoformat()
    answer = client.get("/v1/rollups", **SCALE_OF_MARCH, as_of=between).json()
    assert answer["items"][0]["value"] == "1"
    assert read_as_of(answer["as_of"]).at == TODAY + timedelta(minutes=90)
    assert client.get("/v1/rollups", **SCALE_OF_MARCH, as_of=answer["as_of"]).json() == answer


@pytest.mark.parametrize(
    ("as_of", "hint"),
    [
        ("submission:5@1776225600000", "submission 服务"),
        ("aggregation:99", "目前到 1"),
        ("2026-05-01T00:00:00Z", "将来"),
        ("2020-01-01T00:00:00Z", "最早可查"),
        ("2026-04-15", "带时区"),
        ("yesterday", "不是有效的时点"),
        # An hour before the snapshot was taken: of another life of the database.
        ("aggregation:1@1776222000000", "恢复"),
    ],
)
def test_what_names_no_moment_is_refused_with_the_reason(client: Client, as_of: str, hint: str) -> None:
    for path in ("/v1/rollups", "/v1/export", "/v1/four-ones"):
        answer = client.get(path, as_of=as_of)
        assert answer.status_code == 422
        (fault,) = answer.json()["errors"]
        assert (fault["pointer"], fault["code"]) == ("query:as_of", "unknown_moment")
        assert hint in fault["detail"]


def test_an_api_whose_clock_is_behind_shows_nothing_from_before_it_was_known(aggregation: Aggregation) -> None:
    aggregation.clock.advance(timedelta(seconds=30))
    aggregation.apply(a_submission(a_figure("1")))
    aggregation.clock.move_to(TODAY)
    with an_api(aggregation.url, clock=aggregation.clock) as client:
        answer = client.get("/v1/rollups", **SCALE_OF_MARCH)
        again = client.get("/v1/rollups", **SCALE_OF_MARCH, as_of=answer.json()["as_of"])
        assert again.content == answer.content
        assert answer.json()["items"][0]["value"] == "1"


def test_pages_of_one_moment_are_not_moved_by_what_comes_between(aggregation: Aggregation, client: Client) -> None:
    whole = client.rollups(indicator=SCALE, limit="1000")
    page = client.get("/v1/rollups", indicator=SCALE, limit="30").json()
    paged, as_of = page["items"], page["as_of"]
    while page["next"] is not None:
        aggregation.apply(a_submission(a_figure(str(len(paged)))))
        query = {"indicator": SCALE, "limit": "30", "cursor": page["next"], "as_of": as_of}
        page = client.get("/v1/rollups", **query).json()
        paged += page["items"]
    assert paged == whole


def test_after_a_restore_an_old_tag_does_not_stand_for_new_data(aggregation: Aggregation, client: Client) -> None:
    aggregation.apply(a_submission(a_figure("1")))
    tag = client.get("/v1/rollups", **SCALE_OF_MARCH).headers["etag"]
    # The database is put back by one batch, and another batch gets its number.
    with aggregation.engine.begin() as connection:
        connection.execute(text("UPDATE snapshot SET taken_at = taken_at + interval '1 hour'"))
        connection.execute(text("UPDATE snapshot_taken SET taken_at = taken_at + interval '1 hour' WHERE number = 2"))
    assert client.get("/v1/rollups", tag=tag, **SCALE_OF_MARCH).status_code == 200
