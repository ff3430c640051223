"""What the API answers with."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from fourones_alerting.domain.verdicts import Light, Verdict
from fourones_shared.catalogue.model import Comparator, Method
from fourones_shared.events.model import Cause, Coverage, Exact


class MethodAnswer(BaseModel):
    """What one method says; `ratio` is its measure of progress."""

    verdict: Verdict
    ratio: Exact | None


class AssessmentAnswer(BaseModel):
    """A target with its verdict. Values are in `unit`, shares fractions."""

    target: str
    name: str
    plan: str
    indicator: str
    org: str
    cluster: str
    tier: str
    pillar: str | None
    unit: str
    comparator: Comparator
    period: str | None = Field(description="the judged period; null before the first judging")
    verdict: Verdict
    light: Light
    method: Method
    value: Exact | None
    due_value: Exact | None = Field(description="due on the plan curve at the period's end")
    target_value: Exact
    attainment: Exact | None = Field(description="share of the way from the baseline to the target")
    gap: Exact | None = Field(description="missing to the due value; negative where it is surpassed")
    months_behind: Exact | None
    forecast: Exact | None = Field(description="value at the due date if growth goes on")
    final: bool
    provisional: bool
    stale: bool
    incomplete: bool
    coverage: Coverage
    judged_at: datetime | None = Field(description="since when the assessment says this")
    by_method: dict[Method, MethodAnswer]
    disagreement: bool
    departments: list[str]
    changed_by: Cause | None
    explanation: str
    remark: str | None
    synthetic: bool


class BasisAnswer(BaseModel):
    """One version of a roll-up that an assessment rests on."""

    period: str
    version: int
    value: Exact | None
    reported: int
    status: str
    carried_value: Exact | None


class AssessmentDetail(AssessmentAnswer):
    """An assessment with what it was judged from, so that it can be repeated."""

    catalogue_version: int | None
    inputs: dict[str, Any]
    rests_on: list[BasisAnswer]
