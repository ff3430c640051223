from datetime import UTC, datetime

import pytest
from unit.submission.builders import (
    BESIDE_THE_COUNTIES,
    CITY,
    COMPUTED,
    COUNTY,
    DEPARTMENT,
    NOW,
    OLD_COUNTY,
    OTHER_COUNTY,
    TERMS,
    a_catalogue,
    a_draft,
    a_figure,
    a_key,
    checked,
    codes,
    only_fault,
)

from fourones_shared.events.model import Role, Status
from fourones_submission.domain.checking import check
from fourones_submission.domain.draft import Draft
from fourones_submission.domain.terms import Terms

WITH_CITY_FIGURE = Terms(8, a_catalogue(BESIDE_THE_COUNTIES, COMPUTED))


def a_count(**changes: object):
    return a_figure(**{"indicator": "projects", "cluster": None, "period": "2025-12", "value": "3"} | changes)


def base_stations(**changes: object):
    return a_figure(**{"indicator": "base-stations", "cluster": None, "period": "2025-Q4", "value": "100"} | changes)


def meetings(**changes: object):
    return a_figure(**{"indicator": "weekly-meetings", "period": "2026-W09", "value": "1"} | changes)


def test_a_figure_that_keeps_every_rule_comes_back_in_canonical_form():
    outcome = checked(a_figure(period="2026-M02", value="+123.40", note=""))
    assert outcome.faults == ()
    (figure,) = outcome.figures
    assert figure.key == ("cluster-scale", "construction-machinery", "2026-02")
    assert (str(figure.value), figure.status, figure.note, figure.withdrawn) == ("123.40", Status.NORMAL, None, False)


def test_all_faults_are_told_at_once_each_at_its_place():
    outcome = checked(
        a_figure(indicator="cluster-scal"),
        a_figure(cluster=None, period="2026", value="1e5", unit="万元"),
        a_figure(value="1.23456", status="Z"),
        prepared_by="名" * 101,
    )
    assert codes(outcome) == [
        (None, "prepared_by", "text_too_long"),
        (0, "indicator", "indicator_unknown"),
        (1, "cluster", "cluster_missing"),
        (1, "period", "period_frequency"),
        (1, "unit", "unit_wrong"),
        (1, "value", "value_not_decimal"),
        (2, "value", "value_decimals"),
        (2, "status", "status_unknown"),
    ]
    assert outcome.figures == ()


def test_an_unknown_indicator_is_answered_with_the_nearest_id():
    outcome = checked(a_figure(indicator="cluster-scal"))
    assert "cluster-scale" in outcome.faults[0].detail


def test_what_is_wrong_whatever_the_indicator_is_told_beside_an_unknown_one():
    outcome = checked(a_figure(indicator="cluster-scal", cluster="no-such-cluster", period="2025-13", value="12x"))
    assert codes(outcome) == [
        (0, "indicator", "indicator_unknown"),
        (0, "cluster", "cluster_unknown"),
        (0, "period", "period_invalid"),
        (0, "value", "value_not_decimal"),
    ]


def test_a_chinese_name_in_place_of_an_id_is_answered_with_the_id():
    assert "cluster-scale" in checked(a_figure(indicator="集群产业规模")).faults[0].detail


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"indicator": None}, ("indicator", "indicator_missing")),
        ({"cluster": None}, ("cluster", "cluster_missing")),
        ({"cluster": "machinery"}, ("cluster", "cluster_unknown")),
        ({"cluster": "new-materials"}, ("cluster", "cluster_not_reported")),
        ({"unit": "万元"}, ("unit", "unit_wrong")),
        ({"period": None}, ("period", "period_missing")),
        ({"period": "2026-13"}, ("period", "period_invalid")),
        ({"period": "2026年2月"}, ("period", "period_invalid")),
        ({"period": "2026-02\n"}, ("period", "period_invalid")),
        ({"period": "2025-Q4"}, ("period", "period_frequency")),
        ({"period": "2023-12"}, ("period", "period_before_first")),
        ({"period": "2026-04"}, ("period", "period_in_future")),
        ({"period": "2026-03"}, ("status", "period_not_ended")),
        ({"value": "1,234.5"}, ("value", "value_not_decimal")),
        ({"value": "NaN"}, ("value", "value_not_decimal")),
        ({"value": "Infinity"}, ("value", "value_not_decimal")),
        ({"value": "1E+2"}, ("value", "value_not_decimal")),
        ({"value": ""}, ("value", "value_not_decimal")),
        ({"value": "12 "}, ("value", "value_not_decimal")),
        ({"value": "１２"}, ("value", "value_not_decimal")),
        ({"value": "9" * 100_000}, ("value", "value_not_decimal")),
        ({"value": "0" * 100_000 + "1"}, ("value", "value_not_decimal")),
        ({"value": "1.00001"}, ("value", "value_decimals")),
        ({"value": "-0.1"}, ("value", "value_below_minimum")),
        ({"value": "10000.0001"}, ("value", "value_above_maximum")),
        ({"value": None}, ("value", "value_missing")),
        ({"value": None, "status": "P"}, ("value", "value_missing")),
        ({"status": "O"}, ("status", "status_with_value")),
        ({"status": "M"}, ("status", "status_with_value")),
        ({"status": "a"}, ("status", "status_unknown")),
        ({"value": None, "status": "M"}, ("status", "not_applicable_refused")),
        ({"withdraw": True}, ("value", "withdraw_with_value")),
        ({"withdraw": True, "value": None, "status": "O"}, ("status", "withdraw_with_status")),
        ({"note": "注" * 1001}, ("note", "text_too_long")),
        ({"justification": "因" * 1001}, ("justification", "text_too_long")),
        ({"note": "a\x00b"}, ("note", "text_not_printable")),
        ({"note": "a\ud800b"}, ("note", "text_not_printable")),
    ],
)
def test_each_broken_rule_is_told_by_its_code(changes: dict[str, object], fault: tuple[str, str]):
    assert only_fault(checked(a_figure(**changes))) == (0, *fault)


def test_trailing_zeros_are_no_decimals_too_many():
    assert checked(a_figure(value="1.50000000")).faults == ()


def test_bounds_are_inclusive():
    assert checked(a_figure(value="0")).faults == ()
    assert checked(a_figure(value="10000")).faults == ()


def test_a_cluster_is_refused_for_an_indicator_without_clusters():
    assert only_fault(checked(a_count(cluster="digital-economy"))) == (0, "cluster", "cluster_not_expected")
    assert checked(a_count(cluster="_T")).faults == ()


def test_a_figure_declared_missing_has_no_value():
    (figure,) = checked(a_figure(value=None, status="O")).figures
    assert (figure.value, figure.status) == (None, Status.MISSING)


def test_not_applicable_is_taken_only_from_organisations_that_the_catalogue_allows():
    assert checked(a_count(value=None, status="M")).faults == ()
    outcome = checked(a_count(value=None, status="M"), org=OTHER_COUNTY, key=a_key(OTHER_COUNTY))
    assert only_fault(outcome) == (0, "status", "not_applicable_refused")


@pytest.mark.parametrize("status", ["P", "E", "F"])
def test_a_period_that_has_not_ended_takes_values_that_are_not_final(status: str):
    assert checked(a_figure(period="2026-03", status=status)).faults == ()


def test_a_period_ends_with_its_last_day_in_shanghai():
    last_moment = datetime(2026, 2, 28, 15, 59, 59, tzinfo=UTC)
    assert only_fault(checked(a_figure(), now=last_moment)) == (0, "status", "period_not_ended")
    assert checked(a_figure(), now=datetime(2026, 2, 28, 16, tzinfo=UTC)).faults == ()


def test_a_period_begins_with_its_first_day_in_shanghai():
    early = datetime(2026, 1, 31, 15, 59, 59, tzinfo=UTC)
    assert only_fault(checked(a_figure(status="F"), now=early)) == (0, "period", "period_in_future")
    assert checked(a_figure(status="F"), now=datetime(2026, 1, 31, 16, tzinfo=UTC)).faults == ()


def test_january_of_an_indicator_reported_for_two_months_is_refused_with_the_way_to_write_it():
    for period in ("2026-01", "2026-02"):
        outcome = checked(a_count(period=period))
        assert only_fault(outcome) == (0, "period", "period_january_february")
        assert "2026-01-01/P2M" in outcome.faults[0].detail
    (figure,) = checked(a_count(period="2026-01-01/P2M")).figures
    assert figure.period == "2026-01-01/P2M"


def test_january_and_february_year_to_date_are_one_figure_however_they_are_written():
    def sales(period: str):
        return a_figure(indicator="sales", cluster=None, period=period)

    assert only_fault(checked(sales("2026-01"))) == (0, "period", "period_january_february")
    for spelling in ("2026-02", "2026-M02", "2026-01-01/P2M"):
        assert checked(sales(spelling)).figures[0].period == "2026-02"
    assert only_fault(checked(sales("2026-02"), sales("2026-01-01/P2M"))) == (1, None, "figure_repeated")


def test_a_figure_reported_once_names_its_one_range():
    def investment(period: str):
        return a_figure(indicator="five-year-investment", cluster=None, period=period)

    assert checked(investment("2021-01-01/P5Y")).figures[0].period == "2021-01-01/P5Y"
    assert checked(investment("2021-01-01/P60M")).figures[0].period == "2021-01-01/P5Y"
    assert only_fault(checked(investment("2025"))) == (0, "period", "period_not_expected")


def test_a_duty_that_has_ended_takes_no_more_figures():
    later = datetime(2027, 6, 1, tzinfo=UTC)
    outcome = checked(base_stations(period="2027-Q1"), org=CITY, key=a_key(DEPARTMENT, Role.DEPARTMENT), now=later)
    assert only_fault(outcome) == (0, "period", "period_after_last")


def test_the_same_figure_twice_in_one_body_is_a_fault_also_in_another_spelling():
    outcome = checked(a_figure(), a_figure(cluster="digital-economy"), a_figure(period="2026-M02", value="5"))
    assert only_fault(outcome) == (2, None, "figure_repeated")


def test_an_unknown_organisation_is_a_fault_of_its_own():
    assert only_fault(checked(org="32038")) == (None, "org", "org_unknown")
    assert only_fault(checked(org=None)) == (None, "org", "org_missing")


def test_an_organisation_that_no_longer_exists_reports_nothing_for_later_periods():
    key = a_key(OLD_COUNTY)
    assert only_fault(checked(org=OLD_COUNTY, key=key)) == (0, "period", "org_not_existing")
    assert checked(a_figure(period="2025-06"), org=OLD_COUNTY, key=key).faults == ()


def test_an_indicator_is_refused_for_an_organisation_that_it_is_not_about():
    assert only_fault(checked(base_stations())) == (0, "indicator", "org_not_a_subject")


def test_one_countys_key_has_no_right_to_another_county():
    outcome = checked(a_figure(value="nonsense"), org=OTHER_COUNTY, key=a_key(COUNTY))
    assert only_fault(outcome) == (None, "org", "org_not_yours")
    assert outcome.forbidden


@pytest.mark.parametrize("role", [Role.ADMIN, Role.COORDINATOR, Role.VIEWER])
def test_keys_of_the_office_report_nothing(role: Role):
    outcome = checked(key=a_key(None, role))
    assert only_fault(outcome) == (None, None, "role_may_not_report")
    assert outcome.forbidden


def test_a_department_reports_about_the_city_what_is_its_own():
    department = a_key(DEPARTMENT, Role.DEPARTMENT)
    assert checked(base_stations(), org=CITY, key=department).faults == ()


def exports(org: str, reporter: str):
    role = Role.REPORTER if reporter == COUNTY else Role.DEPARTMENT
    draft = a_draft(a_figure(indicator="exports"), org=org)
    return check(draft, WITH_CITY_FIGURE, a_key(reporter, role), NOW)


def test_beside_the_counties_the_city_is_its_departments_to_report():
    assert exports(CITY, "kjj").faults == exports(COUNTY, COUNTY).faults == ()


@pytest.mark.parametrize(("org", "reporter"), [(CITY, DEPARTMENT), (COUNTY, "kjj"), (CITY, COUNTY)])
def test_neither_reports_what_is_the_others(org: str, reporter: str):
    outcome = exports(org, reporter)
    assert outcome.forbidden
    assert {code for _, _, code in codes(outcome)} <= {"org_not_yours", "not_duty_holder"}


@pytest.mark.parametrize("key", [a_key(), a_key(DEPARTMENT, Role.DEPARTMENT)])
def test_what_is_computed_is_reported_by_nobody(key):
    draft = a_draft(a_figure(indicator="exports-growth", value="5"), org=key.org)
    (fault,) = check(draft, WITH_CITY_FIGURE, key, NOW).faults
    assert (fault.figure, fault.field, fault.code) == (0, "indicator", "computed_indicator")
    assert "exports " in fault.detail


def test_a_cluster_lead_reports_for_its_own_clusters_only():
    outcome = checked(
        meetings(cluster="construction-machinery"),
        meetings(cluster="digital-economy"),
        org=CITY,
        key=a_key(DEPARTMENT, Role.DEPARTMENT),
    )
    assert only_fault(outcome) == (1, None, "not_duty_holder")
    assert outcome.forbidden


def test_a_mistake_of_a_department_with_duties_about_the_city_is_a_mistake_and_not_forbidden():
    outcome = checked(base_stations(indicator="base-station"), org=CITY, key=a_key(DEPARTMENT, Role.DEPARTMENT))
    assert only_fault(outcome) == (0, "indicator", "indicator_unknown")
    assert not outcome.forbidden


def test_a_key_reports_nothing_outside_its_scope_of_indicators_and_clusters():
    narrow = a_key(indicators=frozenset({"cluster-scale"}), clusters=frozenset({"digital-economy"}))
    assert checked(a_figure(cluster="digital-economy"), key=narrow).faults == ()
    for outside in (a_figure(), a_count()):
        outcome = checked(outside, key=narrow)
        assert only_fault(outcome) == (0, None, "outside_key_scope")
        assert outcome.forbidden


def test_a_figure_without_right_tells_its_mistakes_too():
    outcome = checked(meetings(cluster="digital-economy", value="x"), org=CITY, key=a_key(DEPARTMENT, Role.DEPARTMENT))
    assert codes(outcome) == [(0, None, "not_duty_holder"), (0, "value", "value_not_decimal")]


def test_a_submission_without_figures_is_refused():
    assert only_fault(check(Draft(COUNTY, []), TERMS, a_key(), NOW)) == (None, "figures", "figures_empty")


def test_more_than_five_thousand_figures_are_refused_at_once():
    outcome = checked(*[a_figure(value="nonsense")] * 5001)
    assert only_fault(outcome) == (None, "figures", "figures_too_many")
