"""What the API answers with."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from fourones_alerting.domain.contributions import Ground
from fourones_alerting.domain.verdicts import Light, Verdict
from fourones_shared.catalogue.model import Comparator, Method
from fourones_shared.events.model import Cause, Coverage, Exact
from fourones_shared.http.paging import Page


class MethodAnswer(BaseModel):
    """What one method says; `ratio` is its measure of progress."""

    verdict: Verdict
    ratio: Exact | None


class PartAnswer(BaseModel):
    """A part of a gap: an organisation, a cluster, or an input of a ratio."""

    code: str
    value: Exact | None = Field(description="null where it has not reported")
    due: Exact | None = Field(
        description="what it owes of the due value, by its share of the same period a year before"
    )
    gap: Exact | None = Field(description="what it lacks; negative where it is ahead")
    share: Exact | None = Field(description="of the whole gap")
    before: Exact | None = Field(description="its value a year before, or its last one")


class ContributionsAnswer(BaseModel):
    """What a gap is made of, the largest part first."""

    ground: Ground = Field(description="by what the parts are told apart")
    of: Literal["org", "cluster", "indicator"] = Field(description="what the codes are")
    parts: list[PartAnswer]
    missing: list[str] = Field(description="parts whose value is not known")


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
    forecast_low: Exact | None = Field(description="with `forecast_high` the interval that holds it with 80 %")
    forecast_high: Exact | None = Field(description="null with fewer than four values since the base")
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
    contributions: ContributionsAnswer | None = Field(description="what the gap is made of; null without one")
    explanation: str
    remark: str | None
    synthetic: bool


_AS_OF = Field(description="the moment this is of: asking with it gives the same answer again")


class AssessmentPage(Page[AssessmentAnswer]):
    """A page of assessments, all of one moment."""

    as_of: str = _AS_OF


class BasisAnswer(BaseModel):
    """One version of a roll-up that an assessment rests on."""

    period: str
    version: int
    value: Exact | None
    reported: int
    status: str
    carried_value: Exact | None
    subject: str | None = Field(
        default=None, description="`indicator|cluster` of an input that explains a derived value; null for its own"
    )


class AssessmentDetail(AssessmentAnswer):
    """An assessment with what it was judged from, so that it can be repeated."""

    catalogue_version: int | None
    inputs: dict[str, Any]
    rests_on: list[BasisAnswer]
    as_of: str = _AS_OF
