import random
from dataclasses import replace
from decimal import Decimal

import pytest
from load.county_systems.duties import Cell, Duty, duties_of, share_of_the_year

INDICATOR = {
    "id": "scale",
    "unit": "亿元",
    "decimals": 4,
    "covers": "year-to-date",
    "maximum": None,
    "plausibility": {},
}


def drawing(seed):
    return random.Random(seed)  # noqa: S311


def an_obligation(**changes):
    return {
        "indicator": "scale",
        "org": "320382",
        "cluster": "new-materials",
        "period": "2026-03",
        "state": "overdue",
        "locked": False,
    } | changes


def a_duty(**changes):
    duty = Duty("320382", Cell("scale", "new-materials", "2026-03"), "亿元", 4, True, None, False)
    return replace(duty, **changes)


def test_duties_are_what_the_organisation_owes_about_itself_and_may_report_now_newest_first():
    obligations = [
        an_obligation(period="2026-04"),
        *(an_obligation(period=f"2026-0{month}") for month in (1, 3, 2)),
        an_obligation(period="2025-12", locked=True),
        an_obligation(period="2025-11", state="not_applicable"),
        an_obligation(period="2025-10", org="320300"),
    ]
    duties = duties_of("320382", obligations, {"indicators": [INDICATOR]})
    # April may not have ended yet.
    assert [duty.cell.period for duty in duties] == ["2026-03", "2026-02", "2026-01"]
    assert duties[0].year_to_date


@pytest.mark.parametrize(
    ("period", "share"),
    [
        ("2026", 1),
        ("2026-03", 0.25),
        ("2026-Q2", 0.5),
        ("2026-S1", 0.5),
        ("2026-W26", 0.5),
        ("2026-01-01/P2M", 2 / 12),
        ("2021-01-01/P5Y", 1),
    ],
)
def test_a_period_ends_when_this_much_of_its_year_is_over(period, share):
    assert share_of_the_year(period) == pytest.approx(share)


def test_whatever_is_sent_for_a_month_a_year_to_date_grows_from_month_to_month():
    def values(month):
        duty = a_duty(cell=Cell("scale", "new-materials", f"2026-{month:02}"))
        return [Decimal(duty.value(drawing(seed))) for seed in range(200)]

    for month in range(1, 12):
        assert max(values(month)) < min(values(month + 1))


def test_values_have_the_indicator_s_decimals_and_stay_below_its_maximum():
    assert all(a_duty(decimals=0).value(drawing(seed)).isdigit() for seed in range(50))
    assert len(a_duty().value(drawing(1)).partition(".")[2]) == 4
    assert all(Decimal(a_duty(maximum=100.0).value(drawing(seed))) < 100 for seed in range(50))


def test_a_figure_names_its_cluster_only_where_it_has_one_and_answers_doubts_where_it_must():
    figure = a_duty().figure("1.5")
    assert (figure["cluster"], figure["value"], figure["unit"]) == ("new-materials", "1.5", "亿元")
    assert "justification" not in figure
    figure = a_duty(cell=Cell("scale", "_T", "2026-03"), justified=True).figure("1.5")
    assert "cluster" not in figure
    assert figure["justification"]
