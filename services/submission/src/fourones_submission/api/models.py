"""What the API answers with, and the description of what it takes. Tables and events are other types."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from fourones_shared.events.model import Status
from fourones_shared.http.problems import Fault
from fourones_submission.domain.checking import LONGEST_NAME, LONGEST_NOTE
from fourones_submission.domain.draft import MOST_FIGURES
from fourones_submission.formats.sdmx_components import STRUCTURE_ID
from fourones_submission.storage.receipts import ReceiptStatus

_RECEIVED = "2026-01-05T08:30:00.123456Z"
_ID = "019b8a4e-3f10-7c2a-9d51-6f2f0f5c1a77"


class Warning(Fault):  # noqa: A001 - the contract's word
    """Something that looks implausible; the figure is accepted all the same."""


class SubmissionAccepted(BaseModel):
    """The answer to an accepted submission."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "submission_id": _ID,
                    "org": "320382",
                    "figures": 1,
                    "sequence": 1042,
                    "received_at": _RECEIVED,
                    "status": "accepted",
                    "warnings": [],
                }
            ]
        }
    )

    submission_id: str
    org: str
    figures: int = Field(description="how many")
    sequence: int = Field(description="its number; of two values of a figure the one with the higher number stands")
    received_at: datetime
    status: Literal["accepted"] = "accepted"
    warnings: list[Warning] = []


class SubmissionChecked(BaseModel):
    """The answer to a dry run without faults: nothing was stored."""

    org: str
    figures: int
    status: Literal["checked"] = "checked"
    warnings: list[Warning] = []


class Receipt(BaseModel):
    """What became of a submission, and who sent it, when and with which key."""

    model_config = ConfigDict(
        from_attributes=True,
        json_schema_extra={
            "examples": [
                {
                    "submission_id": _ID,
                    "org": "320382",
                    "reported_by": "320382",
                    "key_id": "6f1d0c9a7b3e",
                    "key_label": "邳州市统计系统",
                    "prepared_by": "张三",
                    "approved_by": "李四",
                    "figures": 1,
                    "sequence": 1042,
                    "received_at": _RECEIVED,
                    "media_type": "application/json",
                    "size": 231,
                    "catalogue_version": 3,
                    "status": "applied",
                    "published_at": "2026-01-05T08:30:00.151Z",
                    "applied_at": "2026-01-05T08:30:00.172Z",
                    "applied": 1,
                    "superseded": 0,
                    "excluded": 0,
                    "reason": None,
                    "warnings": [],
                }
            ]
        },
    )

    submission_id: str
    org: str
    reported_by: str = Field(description="the organisation whose key it bore")
    key_id: str
    key_label: str | None = Field(description="whose key it was, in words")
    prepared_by: str | None
    approved_by: str | None
    figures: int
    sequence: int
    received_at: datetime
    media_type: str = Field(description="in which format it was sent")
    size: int = Field(description="bytes of what was sent; `…/content` has them")
    catalogue_version: int = Field(description="the version of the catalogue it was checked under")
    status: ReceiptStatus
    published_at: datetime | None
    applied_at: datetime | None
    applied: int | None = Field(description="figures that became the current value")
    superseded: int | None = Field(description="figures for which a newer value was there already")
    excluded: int | None = Field(description="figures that a later catalogue no longer admits")
    reason: str | None = Field(description="why it was dead-lettered")
    warnings: list[Warning]


class ReceiptInFull(Receipt):
    """A receipt, with what is told of one alone."""

    idempotency_key: str | None = Field(description="that it was sent with; forgotten some weeks later")


class CatalogueInForce(BaseModel):
    """The answer to a catalogue that was put."""

    version: int
    changed: bool = Field(description="whether it became a new version; unchanged content makes none")


def _text(longest: int | None = None, **more: Any) -> dict[str, Any]:
    return {"type": ["string", "null"]} | ({"maxLength": longest} if longest else {}) | more


FIGURE_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["indicator", "period"],
    "additionalProperties": False,
    "properties": {
        "indicator": {"type": "string", "description": "id of the catalogue"},
        "cluster": _text(description="id; for an indicator that is reported by cluster"),
        "period": {"type": "string", "description": "2026, 2026-S1, 2026-Q1, 2026-03, 2026-W12, 2026-01-01/P2M"},
        "value": {
            "type": ["string", "number", "null"],
            "description": "an exact decimal without exponent; null with status O or M, or to withdraw",
        },
        "unit": _text(description="checked against the catalogue's when given"),
        "status": {"type": ["string", "null"], "enum": [*[s.value for s in Status], None], "default": "A"},
        "note": _text(LONGEST_NOTE),
        "justification": _text(LONGEST_NOTE, description="answers a warning"),
        "withdraw": {"type": ["boolean", "null"], "description": "takes back the figure that was reported"},
    },
}
SUBMISSION_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["org", "figures"],
    "additionalProperties": False,
    "properties": {
        "org": {"type": "string", "description": "whom the figures are about"},
        "prepared_by": _text(LONGEST_NAME),
        "approved_by": _text(LONGEST_NAME),
        "figures": {"type": "array", "minItems": 1, "maxItems": MOST_FIGURES, "items": FIGURE_SCHEMA},
    },
}
CSV_SCHEMA: dict[str, Any] = {
    "type": "string",
    "description": (
        "SDMX-CSV 2.0 of the structure at `GET /v1/structure`, one row a figure, all of one REF_AREA. ACTION I, A, R, M"
        " report, D withdraws the figure; an empty OBS_VALUE or NaN goes with OBS_STATUS O or M. Comma, semicolon or"
        " tab; UTF-8 or GB18030. Faults are told by line and by column: the number of the cell in its row, from 1"
    ),
}
CSV_EXAMPLES: dict[str, Any] = {
    "report and withdraw": {
        "summary": "A county reports two figures and withdraws a third",
        "value": (
            "STRUCTURE,STRUCTURE_ID,ACTION,INDICATOR,REF_AREA,CLUSTER,TIME_PERIOD,OBS_VALUE,OBS_STATUS,UNIT_MEASURE,NOTE\n"
            f"dataflow,{STRUCTURE_ID},I,cluster-scale,320382,construction-machinery,2025-11,123.4,A,亿元,\n"
            f"dataflow,{STRUCTURE_ID},I,cluster-scale,320382,new-materials,2025-11,,O,亿元,企业尚未报齐\n"
            f"dataflow,{STRUCTURE_ID},D,cluster-scale,320382,construction-machinery,2025-10,,,,重复统计\n"
        ),
    },
}
WORKBOOK_SCHEMA: dict[str, Any] = {
    "type": "string",
    "format": "binary",
    "description": "the filled workbook of `GET /v1/template.xlsx`; faults are told by sheet and cell",
}
SUBMISSION_EXAMPLES: dict[str, Any] = {
    "year to date": {
        "summary": "A county reports a cluster's scale, year to date",
        "value": {
            "org": "320382",
            "prepared_by": "张三",
            "approved_by": "李四",
            "figures": [
                {
                    "indicator": "cluster-scale",
                    "cluster": "construction-machinery",
                    "period": "2025-11",
                    "value": "123.4",
                    "unit": "亿元",
                    "status": "A",
                }
            ],
        },
    },
    "withdrawal": {
        "summary": "It takes the figure back",
        "value": {
            "org": "320382",
            "figures": [
                {
                    "indicator": "cluster-scale",
                    "cluster": "construction-machinery",
                    "period": "2025-11",
                    "withdraw": True,
                    "note": "重复统计",
                }
            ],
        },
    },
}
