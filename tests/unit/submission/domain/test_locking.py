"""When a period takes no more figures, and what a decision about it must keep."""

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from unit.submission.builders import (
    CITY,
    COUNTY,
    DEFAULT_INDICATORS,
    NOW,
    OLD_COUNTY,
    OTHER_COUNTY,
    a_catalogue,
    a_draft,
    a_figure,
    a_key,
    an_indicator,
)

from fourones_shared.catalogue.duties import due_at
from fourones_shared.catalogue.model import Indicator
from fourones_shared.domain.periods import Period
from fourones_submission.domain.checking import Checked, check
from fourones_submission.domain.deciding import LONGEST_UNTIL, Proposal, decided_about
from fourones_submission.domain.known import Series
from fourones_submission.domain.locking import Decision, is_locked, locked, series_of
from fourones_submission.domain.terms import Terms

LOCKING = an_indicator(id="locking", clusters=(), reporting={"lock_days": 20})
TERMS = Terms(7, a_catalogue(*DEFAULT_INDICATORS, LOCKING))
# Due 10 days after January, locked 20 days after that.
JANUARY = Period.parse("2026-01")
LOCKS_AT = datetime(2026, 3, 2, 16, tzinfo=UTC)
SERIES = Series(COUNTY, "locking", "2026-01")


def indicator(name: str = "locking") -> Indicator:
    return TERMS.indicator[name].indicator


def sent(*figures: dict[str, Any]) -> Checked:
    drafts = [a_figure(**{"indicator": "locking", "cluster": None, "period": "2026-01"} | figure) for figure in figures]
    checked = check(a_draft(*drafts), TERMS, a_key(), NOW)
    assert checked.faults == ()
    return checked


def test_the_catalogue_locks_a_period_so_many_days_after_its_due_date():
    assert not is_locked(indicator(), JANUARY, None, LOCKS_AT - timedelta(microseconds=1))
    assert is_locked(indicator(), JANUARY, None, LOCKS_AT)


def test_without_a_word_in_the_catalogue_no_period_is_ever_locked():
    assert not is_locked(indicator("sales"), Period.parse("2024-03"), None, datetime(2199, 1, 1, tzinfo=UTC))


def test_late_is_not_locked():
    moment = due_at(indicator(), JANUARY)
    assert moment < LOCKS_AT
    assert not is_locked(indicator(), JANUARY, None, moment)


@pytest.mark.parametrize("word", [True, False])
def test_a_decision_outweighs_the_catalogue_both_ways(word: bool):
    for moment in (due_at(indicator(), JANUARY), LOCKS_AT):
        assert is_locked(indicator(), JANUARY, Decision(word, "核查"), moment) is word


def test_every_figure_of_a_locked_period_is_told_at_its_place_with_the_reason():
    checked = sent({"period": "2026-02"}, {}, {"period": "2025-12"}, {"indicator": "sales", "period": "2025-11"})
    by_rule = locked(checked, TERMS, {}, NOW)
    assert [(f.figure, f.field, f.code) for f in by_rule] == [
        (1, "period", "period_locked"),
        (2, "period", "period_locked"),
    ]
    decisions = {
        SERIES: Decision(False, "核查后同意"),
        Series(COUNTY, "sales", "2025-11"): Decision(True, "年报已定稿"),
    }
    by_decision = locked(checked, TERMS, decisions, NOW)
    assert [f.figure for f in by_decision] == [2, 3]
    assert "年报已定稿" in by_decision[1].detail


def test_a_decision_is_about_one_organisation_indicator_and_period():
    checked = sent({})
    assert series_of(checked) == {SERIES}
    for other in (SERIES._replace(org=OTHER_COUNTY), SERIES._replace(period="2026-02")):
        assert locked(checked, TERMS, {other: Decision(False, "…")}, NOW)
    assert not locked(checked, TERMS, {SERIES: Decision(False, "…")}, NOW)


def test_a_withdrawal_in_a_locked_period_is_refused_like_a_value():
    checked = sent({"value": None, "withdraw": True}, {"period": "2025-12", "value": None, "status": "O"})
    assert [f.figure for f in locked(checked, TERMS, {}, NOW)] == [0, 1]


# Decisions.


def a_proposal(**changes: Any) -> Proposal:
    fields: dict[str, Any] = {
        "org": COUNTY,
        "indicator": "cluster-scale",
        "period": "2026-01",
        "locked": False,
        "until": None,
        "reason": "统计局核查",
    }
    return Proposal(**fields | changes)


def faults(**changes: Any) -> list[tuple[str | None, str]]:
    about, found = decided_about(a_proposal(**changes), TERMS, NOW)
    assert (about is None) is bool(found)
    return [(fault.field, fault.code) for fault in found]


@pytest.mark.parametrize(
    ("changes", "period"),
    [
        ({}, "2026-01"),
        ({"period": "2026-M1"}, "2026-01"),
        ({"period": "2026-03"}, "2026-03"),
        ({"indicator": "sales", "period": "2026-01-01/P2M"}, "2026-02"),
        ({"indicator": "projects", "period": "2026-01-01/P2M"}, "2026-01-01/P2M"),
        ({"org": OLD_COUNTY, "period": "2025-06"}, "2025-06"),
        ({"until": NOW + timedelta(days=1)}, "2026-01"),
    ],
)
def test_a_decision_is_about_a_duty_in_canonical_spelling(changes: dict[str, Any], period: str):
    proposal = a_proposal(**changes)
    about, found = decided_about(proposal, TERMS, NOW)
    assert found == ()
    assert about == Series(proposal.org, proposal.indicator, period)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"org": "320383"}, ("org", "org_unknown")),
        ({"org": CITY}, ("org", "org_not_a_subject")),
        ({"indicator": "cluster-scal"}, ("indicator", "indicator_unknown")),
        ({"period": "2026-1"}, ("period", "period_invalid")),
        ({"period": "2026"}, ("period", "period_frequency")),
        ({"period": "2023-12"}, ("period", "period_before_first")),
        ({"indicator": "sales", "period": "2026-01"}, ("period", "period_january_february")),
        ({"indicator": "projects", "period": "2026-02"}, ("period", "period_january_february")),
        ({"period": "2026-04"}, ("period", "period_in_future")),
        ({"org": OLD_COUNTY, "period": "2025-07"}, ("period", "org_not_existing")),
        ({"until": NOW}, ("until", "until_in_past")),
        ({"until": datetime(2000, 1, 1, tzinfo=UTC)}, ("until", "until_in_past")),
        ({"until": NOW + LONGEST_UNTIL + timedelta(seconds=1)}, ("until", "until_too_far")),
        ({"until": datetime.max.replace(tzinfo=timezone(timedelta(hours=-23)))}, ("until", "until_too_far")),
        ({"until": datetime.min.replace(tzinfo=timezone(timedelta(hours=23)))}, ("until", "until_in_past")),
        ({"reason": " \n"}, ("reason", "reason_missing")),
        ({"reason": "因" * 1001}, ("reason", "text_too_long")),
        ({"reason": "核查\0"}, ("reason", "text_not_printable")),
    ],
)
def test_a_decision_about_no_duty_is_refused_at_its_place(changes: dict[str, Any], fault: tuple[str, str]):
    assert faults(**changes) == [fault]


def test_everything_that_is_wrong_with_a_decision_is_told_at_once():
    assert faults(org="x", indicator="y", period="z", until=NOW, reason="") == [
        ("org", "org_unknown"),
        ("indicator", "indicator_unknown"),
        ("period", "period_invalid"),
        ("until", "until_in_past"),
        ("reason", "reason_missing"),
    ]
    assert faults(org=CITY, period="2026") == [("org", "org_not_a_subject"), ("period", "period_frequency")]


def test_an_indicator_that_has_ended_may_still_be_locked_for_its_periods():
    ended = Terms(1, a_catalogue(an_indicator(reporting={"last": date(2025, 3, 31)})))
    assert decided_about(a_proposal(period="2025-03"), ended, NOW)[0] == Series(COUNTY, "cluster-scale", "2025-03")
    _, (fault,) = decided_about(a_proposal(period="2025-04"), ended, NOW)
    assert fault.code == "period_after_last"
