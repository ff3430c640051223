"""What the API answers. Values are decimal strings, a dimension that is not fixed is `_T`."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, Field, PlainSerializer

from fourones_aggregation.domain.beside import Source
from fourones_shared.domain.numbers import format_decimal
from fourones_shared.events.model import Status

Exact = Annotated[Decimal, PlainSerializer(format_decimal, return_type=str)]


class CoverageItem(BaseModel):
    """How many of how many have reported, and up to 50 of those who have not."""

    reported: int
    expected: int
    missing: list[str] = Field(
        description="organisations; clusters where the roll-up is about one organisation and the indicator has clusters"
    )


class BesideItem(BaseModel):
    """The value that does not stand, kept beside the one that does."""

    org: str = Field(description="the city's own code for its department's value, `_T` for the counties' together")
    source: Source = Field(description="`computed` where the one that stands is reported, though it can be computed")
    value: Exact | None
    status: Status | None
    coverage: CoverageItem
    difference: Exact | None = Field(
        description="the department's value minus the counties', or the reported minus the computed; null unless both "
        "have a value of the same time"
    )


class RollupItem(BaseModel):
    """A roll-up, a figure where the scope holds only one, or a stretch: a longer period made of finer ones."""

    indicator: str
    org: str
    cluster: str
    tier: str
    period: str
    value: Exact | None
    unit: str
    status: Status | None = Field(description="the weakest status among the members; null where nobody has reported")
    coverage: CoverageItem
    version: int = Field(
        description="rises with every change; for a single figure the sequence of its revision, for a stretch the sum "
        "over its periods"
    )
    recorded_at: datetime
    through: str | None = Field(
        default=None, description="of a stretch: the last period that is in the value; null elsewhere"
    )
    beside: BesideItem | None = Field(
        default=None,
        description="where counties and a department both report the city's value, or a value is computed and reported",
    )


class RollupPage(BaseModel):
    """A page of roll-ups, all of one moment of the database."""

    items: list[RollupItem]
    next: str | None = None
    as_of: str = Field(description="token of the snapshot that the answer shows")


class RevisionItem(BaseModel):
    """One value that a figure has had."""

    sequence: int
    value: Exact | None
    status: Status
    note: str | None = None
    submission_id: str
    reported_by: str
    accepted_at: datetime
    applied_at: datetime
    withdrawn: bool


class RevisionPage(BaseModel):
    """A page of a figure's history, oldest first. `excluded`: the catalogue in force does not admit the figure."""

    items: list[RevisionItem]
    next: str | None = None
    as_of: str
    excluded: bool = False
