"""What the lists ask of their filters: an unheeded or mistyped one would look like an answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import NoReturn

from fastapi import Request

from fourones_shared.catalogue.model import TOTAL
from fourones_shared.http.problems import Fault, Problem
from fourones_submission.domain.terms import Terms, unreadable_period
from fourones_submission.domain.wording import Suggestions, quoted


def each_once(request: Request) -> None:
    """A dependency: of a parameter given twice only one would be heeded.

    Raises:
        Problem: 422 with every one of them.
    """
    given = request.query_params
    refuse_if_any(
        [
            Fault(pointer=f"query:{name}", code="repeated_parameter", detail=f"参数 {name} 只能给一次")
            for name in sorted(set(given))
            if len(given.getlist(name)) > 1
        ]
    )


def known_filters(
    terms: Terms,
    *,
    orgs: Mapping[str, str | None],
    indicator: str | None = None,
    cluster: str | None = None,
    period: str | None = None,
) -> None:
    """See that the catalogue knows every filter.

    Args:
        terms: of the catalogue in force.
        orgs: organisations by the parameter that names them.
        indicator: an id.
        cluster: an id, or `_T`.
        period: in any spelling.

    Raises:
        Problem: 422 with every one that it does not know.
    """
    faults = [
        _unknown(parameter, "org_unknown", org, "单位", terms.organisation_names)
        for parameter, org in orgs.items()
        if org is not None and org not in terms.organisation_names
    ]
    if indicator is not None and indicator not in terms.indicator_names:
        faults.append(_unknown("indicator", "indicator_unknown", indicator, "指标", terms.indicator_names))
    if cluster is not None and cluster not in {TOTAL, *terms.cluster_names}:
        faults.append(_unknown("cluster", "cluster_unknown", cluster, "集群", terms.cluster_names))
    unreadable = unreadable_period(period) if period is not None else None
    if unreadable is not None:
        faults.append(Fault(pointer="query:period", code=unreadable.code, detail=unreadable.detail))
    refuse_if_any(faults)


def refuse_if_any(faults: Sequence[Fault]) -> None:
    """Refuse a question that has faults.

    Raises:
        Problem: 422 with all of them.
    """
    if faults:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "查询参数有误,请按 errors 逐条修改", errors=faults)


def bad_cursor() -> NoReturn:
    """Refuse a cursor.

    Raises:
        Problem: 422.
    """
    raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "cursor 无效:请原样使用上一页返回的 next")


def _unknown(parameter: str, code: str, given: str, kind: str, names: Mapping[str, str]) -> Fault:
    detail = f"没有编码为 {quoted(given)} 的{kind};" + Suggestions(names).near(given)
    return Fault(pointer=f"query:{parameter}", code=code, detail=detail)
