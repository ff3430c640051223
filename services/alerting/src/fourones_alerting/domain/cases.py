"""`fourones-alerting judge`: cases in, verdicts out, a line each; the way to hold the methods against published ones.

A case is `{"id", "direction": "up"|"down", "baseline": {"period", "value"}, "current": {"period", "value"},
"target": {"period", "value"}|null, "limit": number|null}`; values are numbers or decimal strings, periods SDMX's or
a year as a number.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn

from fourones_alerting.domain.methods import (
    NOT_ASSESSABLE,
    Level,
    MethodResult,
    plan_curve,
    projection,
    required_growth,
)
from fourones_shared.catalogue.model import DEFAULT_BANDS, Method
from fourones_shared.domain.curves import PlanCurve
from fourones_shared.domain.periods import Period
from fourones_shared.domain.ways import Way
from fourones_shared.errors import Rejected

_SENSES = {"up": 1, "down": -1}


class InvalidCase(Rejected):
    """A line that is no case; the message names the line and what to mend."""


def judge_line(text: str, method: Method, line: int = 1) -> str:
    """Judge one case by one method.

    Args:
        text: the case, one JSON object.
        method: required-growth, projection, or plan-curve (a straight line with the default bands).
        line: the line's number, for the message of a fault.

    Returns:
        `{"id", "ratio": number|null, "verdict"}` as JSON, without a line break.

    Raises:
        InvalidCase: naming the line, the field and what it should be.
    """
    case = _parsed(text, line)
    sense = _SENSES.get(str(case.get("direction")))
    if sense is None:
        raise InvalidCase(f'line {line}: direction is {case.get("direction")!r}; write "up" or "down"')
    base, current = _level(case, "baseline", line), _level(case, "current", line)
    target = None if case.get("target") is None else _level(case, "target", line)
    limit = None if case.get("limit") is None else _number(case["limit"], "limit", line)
    result = _judged(method, base, current, target, sense, limit=limit)
    ratio = None if result.ratio is None else float(result.ratio)
    answer = {"id": case.get("id"), "ratio": ratio, "verdict": result.verdict.value}
    return json.dumps(answer, ensure_ascii=False)


def _judged(
    method: Method, base: Level, current: Level, target: Level | None, sense: int, *, limit: Decimal | None
) -> MethodResult:
    if method is Method.REQUIRED_GROWTH:
        return required_growth(base, current, target, sense, limit=limit)
    if target is None:
        return NOT_ASSESSABLE
    if method is Method.PROJECTION:
        return projection(base, current, target, sense)
    met = sense * (current.value - target.value) >= 0
    if base.day >= target.day:
        return NOT_ASSESSABLE
    way = Way(base.value, target.value, PlanCurve(base.day, target.day), sense)
    return plan_curve(way, current.value, current.day, DEFAULT_BANDS, met=met)


def _parsed(text: str, line: int) -> Mapping[str, Any]:
    def refuse(name: str) -> NoReturn:
        raise InvalidCase(f"line {line}: {name} is not a number that can be judged")

    try:
        case = json.loads(text, parse_float=Decimal, parse_constant=refuse)
    except (json.JSONDecodeError, RecursionError) as fault:
        raise InvalidCase(f"line {line}: not JSON ({fault}); write one object a line") from fault
    if not isinstance(case, dict):
        raise InvalidCase(f"line {line}: {type(case).__name__} instead of one JSON object")
    return case


def _level(case: Mapping[str, Any], name: str, line: int) -> Level:
    given = case.get(name)
    if not isinstance(given, dict) or "period" not in given or "value" not in given:
        raise InvalidCase(f'line {line}: {name} must be {{"period": …, "value": …}}')
    try:
        period = Period.parse(str(given["period"]))
    except Rejected as fault:
        raise InvalidCase(f"line {line}: {name}.period: {fault}") from fault
    return Level(period.end, _number(given["value"], f"{name}.value", line))


def _number(given: object, name: str, line: int) -> Decimal:
    if isinstance(given, int | str | Decimal) and not isinstance(given, bool):
        try:
            number = Decimal(given)
        except InvalidOperation:
            number = Decimal("NaN")
        # Published values lie far within; an exponent of a million would be spelt out.
        if number.is_finite() and abs(number.adjusted()) <= 30:
            return number
    raise InvalidCase(f"line {line}: {name} is {given!r}; write a number such as 14.5")
