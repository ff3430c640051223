from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from fourones_alerting.domain.verdicts import Verdict
from fourones_alerting.metrics.series import Shown, exposition

LABELS = {"plan", "target", "indicator", "cluster", "pillar", "org", "period_type"}


def a_shown(**changes: Any) -> Shown:
    given: dict[str, Any] = {
        "target": "t",
        "plan": "p",
        "indicator": "i",
        "cluster": "_T",
        "pillar": None,
        "org": "320300",
        "period_type": "month",
        "verdict": Verdict.LAGGING,
        "value": Decimal("38.5"),
        "target_value": Decimal(120),
        "due_value": Decimal(40),
        "attainment": Decimal("0.32"),
        "months_behind": Decimal("0.2"),
        "reported": 11,
        "expected": 13,
        "overdue": 2,
        "departments": ("gxj", "kjj"),
        "accepted_at": datetime(2026, 5, 1, tzinfo=UTC),
    }
    return Shown(**(given | changes))


def _read(*shown: Shown) -> dict[str, dict[frozenset[tuple[str, str]], float]]:
    families = text_string_to_metric_families(exposition(shown).decode())
    return {family.name: {frozenset(s.labels.items()): s.value for s in family.samples} for family in families}


def test_the_series_read_back_as_what_was_judged() -> None:
    read = _read(a_shown())
    expected = {
        "fourones_indicator_value": 38.5,
        "fourones_target_value": 120.0,
        "fourones_target_due_value": 40.0,
        "fourones_target_attainment_ratio": 0.32,
        "fourones_target_months_behind": 0.2,
        "fourones_target_off_track": 0.0,
        "fourones_rollup_coverage_ratio": 11 / 13,
        "fourones_reports_overdue": 2.0,
    }
    for name, value in expected.items():
        [(labels, found)] = read[name].items()
        assert found == value, name
        assert {label for label, _ in labels} == LABELS, name
    assert read["fourones_target_responsible"] == {
        frozenset({("target", "t"), ("department", "gxj")}): 1.0,
        frozenset({("target", "t"), ("department", "kjj")}): 1.0,
    }


def test_of_the_verdicts_exactly_one_is_1() -> None:
    for verdict in Verdict:
        series = _read(a_shown(verdict=verdict))["fourones_target_verdict"]
        assert len(series) == len(Verdict)
        assert [dict(labels)["verdict"] for labels, value in series.items() if value == 1.0] == [verdict.value]


def test_off_track_is_1_for_red_0_for_other_lights_and_absent_while_grey() -> None:
    found = {
        verdict: list(_read(a_shown(verdict=verdict))["fourones_target_off_track"].values()) for verdict in Verdict
    }
    assert found == {
        Verdict.ACHIEVED: [0.0],
        Verdict.ON_TRACK: [0.0],
        Verdict.LAGGING: [0.0],
        Verdict.OFF_TRACK: [1.0],
        Verdict.DETERIORATING: [1.0],
        Verdict.NO_DATA: [],
        Verdict.NOT_ASSESSABLE: [],
    }


def test_what_is_not_known_has_no_series() -> None:
    read = _read(a_shown(value=None, due_value=None, attainment=None, months_behind=None, expected=0, reported=0))
    for name in ("indicator_value", "target_due_value", "target_attainment_ratio", "rollup_coverage_ratio"):
        assert read[f"fourones_{name}"] == {}
    assert list(read["fourones_target_value"].values()) == [120.0]


def test_label_values_are_escaped() -> None:
    [labels] = _read(a_shown(org='a"b\\c\nd'))["fourones_target_value"]
    assert dict(labels)["org"] == 'a"b\\c\nd'
