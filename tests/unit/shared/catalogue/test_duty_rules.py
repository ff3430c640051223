"""What a catalogue may say of due dates and locks."""

import pytest
from unit.shared.catalogue.documents import (
    a_city_indicator,
    a_document,
    an_indicator,
    faults_of,
    places_of,
)

from fourones_shared.catalogue.faults import CatalogueHasFaults
from fourones_shared.catalogue.files import load


def with_duty(**reporting):
    return a_document(indicators=[an_indicator(reporting=reporting), a_city_indicator()], targets=[])


@pytest.mark.parametrize(
    "reporting",
    [
        {"due_days": None, "due_working_days": 10},
        {"lock_days": 1},
        {"lock_days": None},
        {"first": "2025-01-01", "last": "2025-01-01"},
        {"frequency": "Q", "first": "2025-02-01", "last": "2025-04-01"},
    ],
)
def test_sound_duties_have_no_faults(reporting):
    assert faults_of(with_duty(**reporting)) == []


@pytest.mark.parametrize(
    ("reporting", "field", "code"),
    [
        ({"due_working_days": 5}, "", "due-in-one-way"),
        ({"due_days": None}, "", "due-in-one-way"),
        ({"due_days": -1}, "/due_days", "greater-than-equal"),
        ({"due_days": 401}, "/due_days", "less-than-equal"),
        ({"due_days": None, "due_working_days": 0}, "/due_working_days", "greater-than-equal"),
        ({"lock_days": 0}, "/lock_days", "locked-when-due"),
        ({"lock_days": -3}, "/lock_days", "greater-than-equal"),
        ({"first": "2025-01-02", "last": "2025-01-31"}, "/last", "no-period-expected"),
        ({"frequency": "A", "first": "2025-02-01", "last": "2025-12-31"}, "/last", "no-period-expected"),
        ({"first": "2025-01-02", "last": "2025-01-01"}, "/last", "ends-before-it-begins"),
    ],
)
def test_a_duty_that_makes_no_sense_is_told_once_at_its_place_in_both_languages(reporting, field, code):
    document = with_duty(**reporting)
    assert places_of(document) == {(f"/indicators/0/reporting{field}", code)}
    (fault,) = faults_of(document)
    assert all((*fault.zh, *fault.en))
    assert not fault.zh.problem.isascii()
    assert fault.en.remedy.isascii()


def test_a_year_to_date_that_ends_in_january_expects_nothing_where_the_two_months_are_joined():
    indicator = an_indicator(january_february="together", reporting={"first": "2025-01-01", "last": "2025-01-31"})
    document = a_document(indicators=[indicator, a_city_indicator()], targets=[])
    assert places_of(document) == {("/indicators/0/reporting/last", "no-period-expected")}


def test_an_entry_replaces_the_due_days_of_its_files_defaults_by_null(tmp_path):
    text = """
sources: [{id: s, title: t}]
organisations:
  - {id: "320300", name: c, kind: city, source: s}
  - {id: "320382", name: p, kind: county, source: s}
defaults:
  indicators:
    unit: 个
    measure: count
    kind: stock
    source: s
    reporting: {about: counties-and-zones, by: self, frequency: M, first: 2025-01-01, due_days: 15}
indicators:
  - {id: days, name: a, name_en: a}
  - {id: working-days, name: b, name_en: b, reporting: {due_days: null, due_working_days: 10}}
  - id: both
    name: c
    name_en: c
    reporting: {due_working_days: 10}
"""
    (tmp_path / "catalogue.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(CatalogueHasFaults) as refused:
        load(tmp_path)
    (fault,) = refused.value.found
    its_line = text.splitlines().index("    reporting: {due_working_days: 10}") + 1
    assert (fault.code, fault.line) == ("due-in-one-way", its_line)
    (tmp_path / "catalogue.yaml").write_text(text[: text.index("  - id: both")], encoding="utf-8")
    days, working_days = load(tmp_path).indicators
    assert (days.reporting.due_days, days.reporting.due_working_days) == (15, None)
    assert (working_days.reporting.due_days, working_days.reporting.due_working_days) == (None, 10)
