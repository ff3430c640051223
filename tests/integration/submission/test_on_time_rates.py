import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from integration.submission.service import Service, a_body, a_service, running, settings
from sqlalchemy import create_engine
from support.waiting import eventually
from unit.submission.builders import (
    BESIDE_THE_COUNTIES,
    CITY,
    COMPUTED,
    COUNTY,
    DEFAULT_INDICATORS,
    DEPARTMENT,
    NOW,
    OLD_COUNTY,
    OTHER_COUNTY,
    a_catalogue,
    an_indicator,
)

from fourones_local import loopback
from fourones_shared.catalogue.model import Catalogue
from fourones_shared.domain.clock import FixedClock
from fourones_shared.events.model import Role
from fourones_shared.kafka.topics import ensure_topics
from fourones_shared.reference import ReferenceCopy
from fourones_shared.topics import all_topics
from fourones_submission import bootstrap
from fourones_submission.on_time_rates import OnTimeRates

INDICATORS = [i for i in DEFAULT_INDICATORS if i["id"] != "long-series"] + [
    an_indicator(
        id="halves",
        clusters=(),
        reporting={"by": DEPARTMENT, "frequency": "S", "due_days": None, "due_working_days": 5},
    ),
    BESIDE_THE_COUNTIES,
    COMPUTED,
]

_SERIES = r'^fourones_reports_(\w+)\{reporter="(.*?)"\} (\S+)$'
Counted = dict[str, dict[str, float]]


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOW)


@pytest.fixture
def service(database_url: str, clock: FixedClock) -> Iterator[Service]:
    with a_service(database_url, clock=clock) as api:
        answer = api.put_catalogue(a_catalogue(*INDICATORS), If_None_Match="*")
        assert answer.status_code == 201, answer.text
        yield api


@pytest.fixture
def rates(service: Service, clock: FixedClock) -> Iterator[OnTimeRates]:
    engine = create_engine(service.database_url)
    reference = ReferenceCopy(engine)
    reference.refresh()
    yield OnTimeRates(engine, reference, clock)
    engine.dispose()


def series(exposition: str) -> Counted:
    """Values by duty-holder and name."""
    found: Counted = defaultdict(dict)
    for name, holder, value in re.findall(_SERIES, exposition, re.MULTILINE):
        found[holder][name] = float(value)
    return found


def counted(rates: OnTimeRates) -> Counted:
    rates.count()
    return series(rates.exposition().decode())


def as_obligations_say(service: Service, now: datetime) -> Counted:
    """The same, one duty after the other, by what the API lists."""
    tally: dict[str, Counter[str]] = defaultdict(Counter)
    more: dict[str, str] = {}
    while True:
        page = service.get("/v1/obligations", params={"limit": "1000"} | more).json()
        for item in page["items"]:
            due = datetime.fromisoformat(item["due"])
            if now.replace(year=now.year - 1) < due <= now and item["state"] != "not_applicable":
                came = ("late" if item["late"] else "on_time") if item["state"] == "reported" else "missing"
                tally[item["reporter"]].update(["due", came])
        if page["next"] is None:
            break
        more = {"cursor": page["next"]}
    return {
        holder: {name: float(of[name]) for name in ("due", "on_time", "late", "missing")}
        | {"on_time_ratio": of["on_time"] / of["due"]}
        for holder, of in tally.items()
    }


def report(service: Service, *figures: dict[str, Any], **more: Any) -> None:
    answer = service.post(*figures, **more)
    assert answer.status_code == 202, answer.text


def test_the_rates_are_what_the_obligations_say_one_by_one(service: Service, rates: OnTimeRates, clock: FixedClock):
    keys = {org: service.issue(Role.DEPARTMENT, org) for org in (DEPARTMENT, "kjj")}
    projects = {"indicator": "projects", "value": None}
    # In time, late, revised late, withdrawn, given anew, declared missing, excused, and about what is not due yet.
    clock.move_to(NOW - timedelta(days=90))
    report(service, a_body(period="2025-11"), a_body(period="2025-11", cluster="digital-economy"))
    report(service, projects | {"period": "2025-11", "status": "M"}, projects | {"period": "2025-10", "status": "O"})
    clock.move_to(NOW - timedelta(days=20))
    report(service, a_body(period="2025-11", value="9"), a_body(period="2026-01"), a_body(status="P"))
    report(service, a_body(period="2025-11", cluster="digital-economy", value=None, withdraw=True))
    report(service, a_body(period="2025-11", cluster="digital-economy"), a_body(period="2024-02"))
    meetings = {"indicator": "weekly-meetings", "period": "2026-W03", "value": "1"}
    report(service, meetings | {"cluster": "construction-machinery"}, org=CITY, key=keys[DEPARTMENT])
    report(service, meetings | {"cluster": "digital-economy", "period": "2026-W07"}, org=CITY, key=keys["kjj"])
    report(service, {"indicator": "halves", "period": "2025-S2", "value": "7"}, org=COUNTY, key=keys[DEPARTMENT])
    report(service, {"indicator": "exports", "cluster": "digital-economy", "period": "2026-01", "value": "7"})
    exports = {"indicator": "exports", "cluster": "digital-economy", "period": "2026-02", "value": "9", "status": "P"}
    report(service, exports, exports | {"period": "2026-01"}, org=CITY, key=keys["kjj"])
    for moment in (NOW + timedelta(days=200), NOW, NOW + timedelta(hours=12)):
        clock.move_to(moment)
        found = counted(rates)
        assert found == as_obligations_say(service, moment)
    assert set(found) == {COUNTY, OTHER_COUNTY, OLD_COUNTY, DEPARTMENT, "kjj"}
    # November and February in time; January late, that of the exports too, and November's other cluster, which was
    # given anew.
    assert (found[COUNTY]["on_time"], found[COUNTY]["late"]) == (2.0, 3.0)
    # Its meeting in February, and February's exports of the city.
    assert found["kjj"]["on_time"] == 2.0


def test_every_duty_that_fell_due_is_in_time_late_or_missing(service: Service, rates: OnTimeRates):
    report(service, a_body(period="2025-12"))
    for holder, of in counted(rates).items():
        assert of["due"] == of["on_time"] + of["late"] + of["missing"], holder
        assert of["on_time_ratio"] == of["on_time"] / of["due"]


def test_a_figure_of_whose_moment_nobody_knows_is_held_against_nobody(service: Service, rates: OnTimeRates):
    with service.engine.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO figure_current VALUES (%s, 'sales', '2025-12', '{\"_T\": [null, \"A\", 0]}', '{}')", (COUNTY,)
        )
    assert counted(rates)[COUNTY]["on_time"] == 1.0


def test_a_figure_that_nobody_owes_any_more_counts_for_nobody(service: Service, rates: OnTimeRates):
    report(service, a_body(period="2025-11"), a_body(period="2025-11", cluster="digital-economy"))
    assert counted(rates)[COUNTY]["late"] == 2.0
    one_cluster = a_catalogue(an_indicator(clusters=("digital-economy",)))
    assert service.put_catalogue(one_cluster, If_Match='"1"').status_code == 201
    rates._reference.refresh()
    assert counted(rates)[COUNTY] | {"on_time_ratio": 0} == {
        "due": 12.0,
        "on_time": 0.0,
        "late": 1.0,
        "missing": 11.0,
        "on_time_ratio": 0,
    }


def without(org: str) -> Catalogue:
    catalogue = a_catalogue(*INDICATORS).model_dump()
    catalogue["organisations"] = [o for o in catalogue["organisations"] if o["id"] != org]
    return Catalogue.model_validate(catalogue)


def test_a_removed_organisation_leaves_no_series_behind(service: Service, rates: OnTimeRates):
    assert set(counted(rates)) >= {OLD_COUNTY, OTHER_COUNTY}
    assert service.put_catalogue(without(OTHER_COUNTY), If_Match='"1"').status_code == 201
    rates._reference.refresh()
    found = counted(rates)
    assert OTHER_COUNTY not in found
    assert OLD_COUNTY in found


def test_nothing_is_shown_before_there_is_a_catalogue(database_url: str):
    with a_service(database_url) as empty:
        engine = create_engine(empty.database_url)
        rates = OnTimeRates(engine, ReferenceCopy(engine), FixedClock(NOW))
        rates.count()
        assert rates.exposition() == b""
        engine.dispose()


def test_due_dates_that_lack_the_years_holidays_are_warned_of_once(
    service: Service, rates: OnTimeRates, clock: FixedClock, capsys: pytest.CaptureFixture[str]
):
    counted(rates)
    assert "holidays" not in capsys.readouterr().out
    clock.move_to(datetime(2050, 5, 1, tzinfo=NOW.tzinfo))
    counted(rates)
    counted(rates)
    assert capsys.readouterr().out.count("holiday notice") == 1


def test_two_workers_show_the_same_and_take_up_a_new_catalogue_by_themselves(
    service: Service, clock: FixedClock, kafka_bootstrap: str, topic_prefix: str
):
    ensure_topics(kafka_bootstrap, all_topics().values(), prefix=topic_prefix)
    report(service, a_body(period="2025-11"), a_body(period="2025-12"))
    configured = settings(service.database_url, kafka_bootstrap=kafka_bootstrap, topic_prefix=topic_prefix)

    def scraped(url: str) -> Counted:
        return series(loopback.get(f"{url}/metrics").text)

    with running(bootstrap.worker(configured, clock)) as one, running(bootstrap.worker(configured, clock)) as other:
        eventually(lambda: scraped(one) and scraped(other))
        assert scraped(one) == scraped(other) == as_obligations_say(service, NOW)
        assert scraped(one)[COUNTY]["late"] == 2.0
        ended = a_catalogue(an_indicator(reporting={"first": date(2026, 1, 1)}))
        assert service.put_catalogue(ended, If_Match='"1"').status_code == 201
        eventually(lambda: DEPARTMENT not in scraped(one) and DEPARTMENT not in scraped(other))
        assert scraped(one) == scraped(other) == as_obligations_say(service, NOW)
