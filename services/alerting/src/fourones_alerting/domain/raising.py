"""Raising a problem: what is checked of it, and who answers for it.

Who answers is, in this order: whom the coordinating office names, the departments of the target, the lead of the
cluster, the department that raises it; a county's problem without any of them is the county's own.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from fourones_alerting.domain.problem_terms import Terms
from fourones_alerting.domain.problems import About, Actor, Kind, Level, Origin
from fourones_shared.catalogue.model import TOTAL, Catalogue, OrganisationKind, Target
from fourones_shared.domain.periods import shanghai_date
from fourones_shared.events.model import Role

RAISING = frozenset({Role.REPORTER, Role.DEPARTMENT, Role.COORDINATOR})
"""The roles that may raise problems."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A problem as it is raised; texts without white space around them."""

    title: str
    description: str
    kind: Kind
    subject: str | None = None
    org: str | None = None
    cluster: str | None = None
    target: str | None = None
    due: date | None = None
    responsible: tuple[str, ...] | None = None
    level: Level | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong; `forbidden` where the key lacks the right to it."""

    field: str
    code: str
    detail: str
    forbidden: bool = False


@dataclass(frozen=True, slots=True)
class Raised:
    """A problem that may be opened."""

    about: About
    level: Level
    responsible: tuple[str, ...]
    due: date


def raised(
    proposal: Proposal, by: Actor, clusters: frozenset[str], *, catalogue: Catalogue, now: datetime, terms: Terms
) -> Raised | list[Fault]:
    """Check a proposal and settle who answers.

    Args:
        proposal: as it came.
        by: a key of one of the roles in `RAISING`.
        clusters: those of the key's scope; empty means all.
        catalogue: the one in force.
        now: the present moment.
        terms: the due date where none is given.

    Returns:
        The problem, or everything that is wrong.
    """
    faults = [*_texts(proposal), *_references(proposal, by, clusters, catalogue, now)]
    if faults:
        return faults
    target = catalogue.target.get(proposal.target or "")
    org = _said_org(proposal, by) or (_fixed(target.org) if target else None)
    org = None if org == catalogue.city.id else org
    cluster = proposal.cluster or (_fixed(target.cluster) if target else None)
    responsible = _responsible(proposal, by, target, cluster, catalogue)
    county = org is not None and catalogue.organisation[org].kind in _COUNTIES
    level = proposal.level or (Level.DEPARTMENT if responsible else Level.COUNTY)
    if not responsible and (level is Level.DEPARTMENT or not county):
        detail = "不知道由谁负责：请写明 target（目标）、cluster（集群）或所在县区 org，协调办公室也可写 responsible"
        return [Fault("responsible", "responsible_missing", detail)]
    if level is Level.COUNTY and not county:
        detail = "level 为 county 时，org 应是县区或园区：请写明是哪个县区，或去掉 level"
        return [Fault("level", "level_needs_county", detail)]
    about = About(
        title=proposal.title,
        description=proposal.description,
        kind=proposal.kind,
        origin=Origin.RAISED,
        subject=proposal.subject or (target.name if target else ""),
        org=org,
        cluster=cluster,
        target=target.id if target else None,
        plan=target.plan if target else None,
        raised_by=by.org,
        synthetic=_is_synthetic(target, org, catalogue),
    )
    return Raised(about, level, responsible, proposal.due or terms.due_from(now))


def unsafe(text: str) -> bool:
    """Whether the text holds what no database keeps: NUL, other control characters, half a surrogate pair."""
    return any(c not in "\n\r\t" and unicodedata.category(c) in {"Cc", "Cs"} for c in text)


def fault_of_due(due: date, now: datetime) -> Fault | None:
    """What is wrong with a due date that somebody sets now."""
    today = shanghai_date(now)
    if due < today:
        return Fault("due", "due_in_past", f"办理期限 {due} 已过：请写今天或以后的日期")
    if due - today > LONGEST_DUE:
        return Fault("due", "due_too_far", f"办理期限 {due} 太远：请写十年以内的日期")
    return None


LONGEST_DUE = timedelta(days=3653)
"""Ten years: what is due later is a slip of the pen."""

NOT_PRINTABLE = "含有控制字符或残缺的编码：请删去不可见字符"
"""What is told of an unsafe text."""

_COUNTIES = frozenset({OrganisationKind.COUNTY, OrganisationKind.ZONE})


def _texts(proposal: Proposal) -> Iterator[Fault]:
    for field in ("title", "description", "subject"):
        text: str | None = getattr(proposal, field)
        if text is not None and unsafe(text):
            yield Fault(field, "text_not_printable", NOT_PRINTABLE)
    if proposal.kind is Kind.TARGET and proposal.target is None:
        yield Fault("target", "target_missing", "kind 为 target 时应写明 target（目标编号）：见 GET /v1/assessments")
    if proposal.kind is not Kind.TARGET and not proposal.subject:
        yield Fault("subject", "subject_missing", "缺少 subject：请写明是哪个项目、企业或事项")


def _references(
    proposal: Proposal, by: Actor, clusters: frozenset[str], catalogue: Catalogue, now: datetime
) -> Iterator[Fault]:
    org = _said_org(proposal, by)
    if org is not None and org not in catalogue.organisation:
        yield _no_such("org", "org_unknown", "单位", org)
    elif by.role == Role.REPORTER and proposal.org not in {None, by.org}:
        detail = f"本密钥只能提出本单位 {by.org} 的问题：请改正 org，或由该单位提出"
        yield Fault("org", "org_not_yours", detail, forbidden=True)
    if proposal.cluster is not None and proposal.cluster not in catalogue.cluster:
        yield _no_such("cluster", "cluster_unknown", "集群", proposal.cluster)
    elif proposal.cluster is not None and clusters and proposal.cluster not in clusters:
        detail = f"本密钥的范围不含集群 {proposal.cluster}：请换用正确的密钥，或向管理员申请"
        yield Fault("cluster", "outside_key_scope", detail, forbidden=True)
    if proposal.target is not None:
        yield from _of_target(proposal, proposal.target, catalogue)
    if proposal.due is not None and (fault := fault_of_due(proposal.due, now)) is not None:
        yield fault
    yield from _named(proposal, by, catalogue)


def _of_target(proposal: Proposal, named: str, catalogue: Catalogue) -> Iterator[Fault]:
    target = catalogue.target.get(named)
    if target is None:
        yield _no_such("target", "target_unknown", "目标", named)
        return
    for field, given, fixed in (
        ("cluster", proposal.cluster, target.cluster),
        ("org", proposal.org, target.org),
    ):
        if given is not None and fixed not in {TOTAL, given}:
            detail = f"目标 {named} 属于 {fixed}，与 {field} {given} 不符：请改正，或去掉 {field}"
            yield Fault(field, "contradicts_target", detail)


def _named(proposal: Proposal, by: Actor, catalogue: Catalogue) -> Iterator[Fault]:
    if proposal.responsible is None:
        return
    if by.role != Role.COORDINATOR:
        detail = "责任单位由协调办公室指定：请去掉 responsible，系统按目标或集群的责任部门确定"
        yield Fault("responsible", "responsible_by_office", detail, forbidden=True)
    for place, org in enumerate(proposal.responsible):
        if org not in catalogue.organisation or org == catalogue.city.id:
            yield _no_such(f"responsible/{place}", "org_unknown", "可以负责的单位", org)


def _responsible(
    proposal: Proposal, by: Actor, target: Target | None, cluster: str | None, catalogue: Catalogue
) -> tuple[str, ...]:
    if proposal.responsible:
        return tuple(dict.fromkeys(proposal.responsible))
    if target is not None:
        return target.responsible.departments
    if cluster is not None:
        return (catalogue.cluster[cluster].lead,)
    own = catalogue.organisation.get(by.org or "")
    return (own.id,) if own is not None and own.kind not in _COUNTIES else ()


def _said_org(proposal: Proposal, by: Actor) -> str | None:
    return proposal.org or (by.org if by.role == Role.REPORTER else None)


def _is_synthetic(target: Target | None, org: str | None, catalogue: Catalogue) -> bool:
    of_target = target is not None and (target.synthetic or catalogue.plan[target.plan].synthetic)
    return of_target or (org is not None and catalogue.organisation[org].synthetic)


def _fixed(code: str | None) -> str | None:
    return None if code == TOTAL else code


def _no_such(field: str, code: str, called: str, given: str) -> Fault:
    return Fault(field, code, f"没有{called} {given}：请查 GET /v1/catalogue 中的编码")
