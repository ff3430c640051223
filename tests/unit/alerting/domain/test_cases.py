import json
from typing import Any

import pytest

from fourones_alerting.domain.cases import InvalidCase, judge_line
from fourones_shared.catalogue.model import Method

POVERTY = {
    "id": "贫困率",
    "direction": "down",
    "baseline": {"period": "2015", "value": "14.5"},
    "current": {"period": 2023, "value": 10.2},
    "target": {"period": "2030", "value": 7.25},
    "limit": None,
}


def answer(method: Method = Method.REQUIRED_GROWTH, **changes: object) -> dict[str, object]:
    return dict(json.loads(judge_line(json.dumps(POVERTY | changes), method)))


def test_a_line_in_is_a_line_out() -> None:
    line = judge_line(json.dumps(POVERTY), Method.REQUIRED_GROWTH)
    assert "\n" not in line
    assert json.loads(line) == {"id": "贫困率", "ratio": pytest.approx(0.9526, abs=5e-5), "verdict": "on_track"}


def test_without_a_target_the_ratio_is_the_yearly_growth_in_the_desired_direction() -> None:
    found = answer(target=None)
    assert found["verdict"] == "on_track"
    assert found["ratio"] == pytest.approx(1 - (10.2 / 14.5) ** (1 / 8))


def test_the_limit_lowers_what_is_asked() -> None:
    up: dict[str, Any] = {
        "direction": "up",
        "baseline": {"period": "2022", "value": 95},
        "current": {"period": "2023", "value": 95.4},
    }
    assert answer(**up, target=None)["verdict"] == "off_track"
    assert answer(**up, target=None, limit=100)["verdict"] == "on_track"


def test_what_cannot_be_assessed_has_no_ratio() -> None:
    assert answer(baseline={"period": "2015", "value": -1}) == {
        "id": "贫困率",
        "ratio": None,
        "verdict": "not_assessable",
    }


def test_the_other_methods_judge_the_same_lines() -> None:
    assert answer(Method.PROJECTION)["verdict"] == "on_track"
    assert answer(Method.PLAN_CURVE) == {"id": "贫困率", "ratio": pytest.approx(1.112, abs=1e-3), "verdict": "on_track"}
    assert answer(Method.PROJECTION, target=None)["verdict"] == "not_assessable"
    assert answer(Method.PLAN_CURVE, target={"period": "2015", "value": 1})["verdict"] == "not_assessable"


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("", "not JSON"),
        ("[]", "instead of one JSON object"),
        (json.dumps(POVERTY | {"direction": "sideways"}), '"up" or "down"'),
        (json.dumps(POVERTY | {"direction": ["up"]}), '"up" or "down"'),
        (json.dumps(POVERTY | {"baseline": None}), "baseline must be"),
        (json.dumps(POVERTY | {"current": {"period": "2023"}}), "current must be"),
        (json.dumps(POVERTY | {"current": {"period": "last year", "value": 1}}), "current.period: .*write one of"),
        (json.dumps(POVERTY | {"target": {"period": "2030", "value": "many"}}), "target.value is 'many'"),
        (json.dumps(POVERTY | {"target": {"period": "2030", "value": True}}), "target.value"),
        (json.dumps(POVERTY | {"target": {"period": "2030", "value": "1e999999"}}), "target.value"),
        (json.dumps(POVERTY | {"limit": float("nan")}), "NaN"),
        (json.dumps(POVERTY | {"limit": "Infinity"}), "limit"),
    ],
)
def test_a_fault_names_its_line_and_how_to_mend_it(text: str, hint: str) -> None:
    with pytest.raises(InvalidCase, match=f"line 7: .*{hint}|line 7: {hint}"):
        judge_line(text, Method.REQUIRED_GROWTH, line=7)
