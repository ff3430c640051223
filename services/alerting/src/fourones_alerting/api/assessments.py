"""`/v1/assessments`: the verdict of every target. Every valid key may read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from fourones_alerting.api.models import AssessmentAnswer, AssessmentDetail, AssessmentPage
from fourones_alerting.api.moments import AsOf, Moment, Moments
from fourones_alerting.domain.verdicts import Verdict
from fourones_alerting.tables import AssessmentColumns
from fourones_shared.catalogue.model import TOTAL, Catalogue, Target
from fourones_shared.http.paging import Cursor, Limit, cut, decode_cursor
from fourones_shared.http.problems import Fault, Problem
from fourones_shared.http.service import ERRORS, Caller

NOT_JUDGED_YET = "目录中已有该目标，尚未研判：系统读完已有数据后自动给出结论"

Filter = Annotated[str | None, Query(max_length=200)]


def assessments_router(moments: Moments) -> APIRouter:
    """The routes; they find the copy of the catalogue in the application's state."""
    router = APIRouter(prefix="/v1", tags=["assessments"], responses=ERRORS)

    @router.get("/assessments")
    async def assessments(  # noqa: PLR0917
        request: Request,
        _: Caller,
        plan: Filter = None,
        verdict: Filter = None,
        department: Filter = None,
        cluster: Filter = None,
        as_of: AsOf = None,
        limit: Limit = 100,
        cursor: Cursor = None,
    ) -> AssessmentPage:
        """The targets' verdicts, by target; without a filter all of them.

        Every page is of the newest state unless `as_of` is given: pass the first page's to have all of one moment.
        """
        after = decode_cursor(cursor, 1)
        async with moments.open(request, as_of) as (connection, moment):
            catalogue = moment.catalogue
            _check_filters(catalogue, plan=plan, verdict=verdict, department=department, cluster=cluster)
            wanted = [
                target.id
                for target in catalogue.targets
                if (plan is None or target.plan == plan)
                and (department is None or department in target.responsible.departments)
                and (cluster is None or target.cluster == cluster)
                and (after is None or target.id > str(after[0]))
            ]
            rows = await _read(connection, moment, wanted, verdict, limit + 1)
        page, following = cut(rows, limit, lambda row: [row["wanted"]])
        return AssessmentPage(
            items=[AssessmentAnswer.model_validate(_answer(catalogue, row)) for row in page],
            next=following,
            as_of=moment.token,
        )

    @router.get("/assessments/{target}", responses={404: ERRORS[422] | {"description": "no such target"}})
    async def assessment(
        request: Request, _: Caller, target: Annotated[str, Path(max_length=200)], as_of: AsOf = None
    ) -> AssessmentDetail:
        """One target's verdict, with what it was judged from."""
        async with moments.open(request, as_of) as (connection, moment):
            catalogue = moment.catalogue
            if target not in catalogue.target:
                detail = f"没有目标 {target}：请用 GET /v1/assessments 查看全部目标的编号"
                raise Problem(HTTPStatus.NOT_FOUND, detail)
            [row] = await _read(connection, moment, [target], None, 1)
        extra = {
            "catalogue_version": row["catalogue_version"],
            "inputs": row["inputs"] or {},
            "rests_on": row["rests_on"] or [],
            "as_of": moment.token,
        }
        return AssessmentDetail.model_validate(_answer(catalogue, row) | extra)

    return router


def _check_filters(
    catalogue: Catalogue, *, plan: str | None, verdict: str | None, department: str | None, cluster: str | None
) -> None:
    faults = []
    if plan is not None and plan not in catalogue.plan:
        faults.append(_unknown("plan", "方案", plan, catalogue.plan))
    if verdict is not None and verdict not in set(Verdict):
        faults.append(_unknown("verdict", "研判结论", verdict, list(Verdict)))
    if department is not None and department not in catalogue.organisation:
        answering = sorted({d for target in catalogue.targets for d in target.responsible.departments})
        faults.append(_unknown("department", "责任部门", department, answering))
    if cluster is not None and cluster != TOTAL and cluster not in catalogue.cluster:
        faults.append(_unknown("cluster", "集群", cluster, [*catalogue.cluster, TOTAL]))
    if faults:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "筛选条件有误，请按 errors 逐条修改", errors=faults)


def _unknown(name: str, called: str, given: str, known: Sequence[str] | Mapping[str, object]) -> Fault:
    return _fault(name, "unknown", f"没有{called} {given}：可用的有 {'、'.join(known)}")


def _fault(name: str, code: str, detail: str) -> Fault:
    return Fault(pointer=f"query:{name}", code=code, detail=detail)


async def _read(
    connection: AsyncConnection, moment: Moment, targets: Sequence[str], verdict: str | None, limit: int
) -> Sequence[Mapping[str, Any]]:
    parameters = {"targets": list(targets), "verdict": verdict, "limit": limit, "snapshot": moment.snapshot}
    statement = _READ_PAST if moment.is_past else _READ
    return [dict(row) for row in (await connection.execute(statement, parameters)).mappings()]


def _answer(catalogue: Catalogue, row: Mapping[str, Any]) -> dict[str, Any]:
    target = catalogue.target[row["wanted"]]
    judged = _not_judged(target) if row["target"] is None else dict(row)
    coverage = {name: judged[name] for name in ("reported", "expected", "missing")}
    return judged | {
        "target": target.id,
        "name": target.name,
        "plan": target.plan,
        "indicator": target.indicator,
        "org": target.org,
        "cluster": target.cluster,
        "tier": target.tier,
        "pillar": target.pillar,
        "unit": target.unit,
        "comparator": target.comparator,
        "coverage": coverage,
        "remark": target.remark,
        "synthetic": target.synthetic or catalogue.plan[target.plan].synthetic,
    }


def _not_judged(target: Target) -> dict[str, Any]:
    unknown = ("period", "value", "due_value", "attainment", "gap", "months_behind", "forecast", "judged_at")
    added = ("forecast_low", "forecast_high", "contributions")
    denied = ("final", "provisional", "stale", "incomplete", "disagreement")
    return {
        **dict.fromkeys((*unknown, *added)),
        **dict.fromkeys(denied, False),
        "verdict": Verdict.NO_DATA,
        "light": Verdict.NO_DATA.light,
        "method": target.method,
        "target_value": target.value,
        "by_method": {},
        "departments": list(target.responsible.departments),
        "changed_by": None,
        "explanation": NOT_JUDGED_YET,
        "reported": 0,
        "expected": 0,
        "missing": [],
    }


# Column names come from the models, never from input.
_SAID = ", ".join(AssessmentColumns.model_fields)
# Compared byte by byte, as the cursor compares: ids are ASCII.
_SELECT = """
    SELECT wanted.target AS wanted, said.*
    FROM unnest(CAST(:targets AS text[])) AS wanted(target)
    LEFT JOIN {said} AS said ON said.target = wanted.target
    WHERE CAST(:verdict AS text) IS NULL OR coalesce(verdict, 'no_data') = :verdict
    ORDER BY wanted.target COLLATE "C" LIMIT :limit
    """
_READ = text(_SELECT.format(said="assessment"))
# What was written by then, and had not been replaced: of each target one row at most.
_READ_PAST = text(
    _SELECT.format(
        said=f"""LATERAL (
        SELECT target, {_SAID} FROM assessment WHERE target = wanted.target AND snapshot <= :snapshot
        UNION ALL
        SELECT target, {_SAID} FROM assessment_revision
        WHERE target = wanted.target AND replaced_in > :snapshot AND snapshot <= :snapshot
    )"""  # noqa: S608
    )
)
