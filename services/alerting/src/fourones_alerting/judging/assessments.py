"""Reads and writes assessments, many at a time; what a new one replaces is kept as a revision."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

import orjson
from sqlalchemy import Connection, text

from fourones_alerting.domain.assessment import Assessment
from fourones_alerting.domain.contributions import Contributions
from fourones_alerting.domain.readings import Basis
from fourones_alerting.tables import AssessmentColumns, AssessmentRow
from fourones_shared.domain.numbers import format_decimal
from fourones_shared.domain.ways import to_decimal
from fourones_shared.events.model import Status

Row = dict[str, Any]
"""A row of `assessment` as JSON would have it: decimals and moments as text."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What must be known of an assessment in order to tell whether, and by what, a new one differs from it."""

    verdict: str
    said: str
    digest: str
    terms: str
    rests_on: tuple[Basis, ...]
    changed_by: str
    judged_at: datetime
    catalogue_version: int
    version: int


def read_stored(connection: Connection, targets: Sequence[str]) -> dict[str, Stored]:
    """The current assessments of these targets, by target; held, so that whoever judges one of them waits for this."""
    return {
        row.target: Stored(
            verdict=row.verdict,
            said=row.said,
            digest=row.digest,
            terms=row.terms,
            rests_on=tuple(_basis(entry) for entry in row.rests_on),
            changed_by=row.changed_by,
            judged_at=row.judged_at,
            catalogue_version=row.catalogue_version,
            version=row.version,
        )
        for row in connection.execute(_READ, {"targets": list(targets)})
    }


def row_of(assessment: Assessment) -> Row:
    """What an assessment says, as columns, with the digests of it."""
    said = {
        "target": assessment.target,
        "period": assessment.period,
        "verdict": assessment.verdict.value,
        "light": assessment.light.value,
        "method": assessment.method.value,
        "value": _exact(assessment.value),
        "due_value": _exact(assessment.due_value),
        "target_value": _exact(assessment.target_value),
        "attainment": _exact(assessment.attainment),
        "gap": _exact(assessment.gap),
        "months_behind": _exact(assessment.months_behind),
        "forecast": _exact(assessment.forecast),
        "forecast_low": _exact(assessment.forecast_low),
        "forecast_high": _exact(assessment.forecast_high),
        "final": assessment.final,
        "provisional": assessment.provisional,
        "stale": assessment.stale,
        "incomplete": assessment.incomplete,
        "disagreement": assessment.disagreement,
        "by_method": {
            method.value: {"verdict": result.verdict.value, "ratio": _exact(result.ratio)}
            for method, result in assessment.by_method.items()
        },
        "departments": list(assessment.departments),
        "inputs": dict(assessment.inputs),
        "explanation": assessment.explanation,
        "reported": assessment.reported,
        "expected": assessment.expected,
        "missing": list(assessment.missing),
        "contributions": _contributions(assessment.contributions),
    }
    rests_on = [
        {
            "period": basis.period,
            "version": basis.version,
            "value": _exact(basis.value),
            "reported": basis.reported,
            "status": basis.status.value,
            "carried_value": _exact(basis.carried_value),
            "subject": basis.subject,
            "parts": basis.parts,
        }
        for basis in assessment.rests_on
    ]
    return said | {"rests_on": rests_on}


def digests(row: Row) -> tuple[str, str]:
    """Of what a row says, and of that and the versions it rests on."""
    # Another day, version or moment of acceptance may bring the same verdict.
    inputs = {name: value for name, value in row["inputs"].items() if name != "judged_on"}
    found = row | {"inputs": inputs}
    said = {name: value for name, value in found.items() if name not in {"rests_on", "accepted_at"}}
    return _digest(said), _digest(found)


def write(connection: Connection, rows: Sequence[Row], now: datetime) -> None:
    """Put these assessments, with their snapshot, in the place of the present ones, which stay as revisions."""
    if not rows:
        return
    parameters = {"rows": orjson.dumps(list(rows)).decode(), "now": now}
    connection.execute(_KEEP_REVISIONS, parameters)
    connection.execute(_WRITE, parameters)


def others(connection: Connection, targets: Sequence[str]) -> list[Row]:
    """Identity and verdict of all other targets that have an assessment."""
    return [dict(row) for row in connection.execute(_OTHERS, {"targets": list(targets)}).mappings()]


def remove(connection: Connection, targets: Sequence[str], snapshot: int, now: datetime) -> None:
    """Take away the assessments of these targets, kept as revisions."""
    connection.execute(_REMOVE, {"targets": list(targets), "snapshot": snapshot, "now": now})


def _basis(entry: Mapping[str, Any]) -> Basis:
    value, carried = entry["value"], entry["carried_value"]
    return Basis(
        period=entry["period"],
        version=entry["version"],
        value=None if value is None else Decimal(value),
        reported=entry["reported"],
        status=Status(entry["status"]),
        carried_value=None if carried is None else Decimal(carried),
        subject=entry.get("subject"),
        parts=entry.get("parts"),
    )


def _contributions(found: Contributions | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "ground": found.ground.value,
        "of": found.of,
        "parts": [
            {
                "code": part.code,
                "value": _rounded(part.value),
                "due": _rounded(part.due),
                "gap": _rounded(part.gap),
                "share": _rounded(part.share),
                "before": _rounded(part.before),
            }
            for part in found.parts
        ],
        "missing": list(found.missing),
    }


def _rounded(value: Fraction | None) -> str | None:
    return None if value is None else format_decimal(to_decimal(value))


def _exact(value: Decimal | None) -> str | None:
    return None if value is None else format_decimal(value)


def _digest(value: object) -> str:
    return hashlib.sha256(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)).hexdigest()


# Column names come from the models, never from input.
_SAID = ", ".join(AssessmentColumns.model_fields)
_SAID_BEFORE = ", ".join(f"old.{name}" for name in AssessmentColumns.model_fields)
_ALL = ", ".join(name for name in AssessmentRow.model_fields if name != "changed")
_NEW = ", ".join(f"{n} = excluded.{n}" for n in AssessmentRow.model_fields if n != "target")

_READ = text(
    "SELECT target, verdict, said, digest, terms, rests_on, changed_by, judged_at, catalogue_version,"
    " version FROM assessment WHERE target = ANY(:targets) ORDER BY target FOR UPDATE"
)
_KEEP_REVISIONS = text(
    f"""
    INSERT INTO assessment_revision (target, replaced_at, replaced_by, replaced_in, said_again, {_SAID})
    SELECT target, :now, new.changed_by, new.snapshot, old.said = new.said, {_SAID_BEFORE}
    FROM jsonb_to_recordset(CAST(:rows AS jsonb))
        AS new(target text, said text, changed_by text, snapshot bigint)
    JOIN assessment AS old USING (target)
    """  # noqa: S608
)
_WRITE = text(
    f"""
    INSERT INTO assessment ({_ALL}, changed)
    SELECT {_ALL}, nextval('assessment_changed')
    FROM jsonb_populate_recordset(CAST(NULL AS assessment), CAST(:rows AS jsonb))
    ON CONFLICT (target) DO UPDATE SET {_NEW}
    """  # noqa: S608
)
_OTHERS = text(
    "SELECT target, plan, indicator, org, cluster, tier, pillar, verdict FROM assessment WHERE target <> ALL(:targets)"
    " ORDER BY target"
)
_REMOVE = text(
    f"""
    WITH removed AS (DELETE FROM assessment WHERE target = ANY(:targets) RETURNING *)
    INSERT INTO assessment_revision (target, replaced_at, replaced_by, replaced_in, said_again, {_SAID})
    SELECT target, :now, 'catalogue', :snapshot, false, {_SAID} FROM removed
    """  # noqa: S608
)
