"""Ids are unique, references exist, and the bodies of the city are what they should be."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from difflib import get_close_matches

from fourones_shared.catalogue.faults import Fault
from fourones_shared.catalogue.model import (
    TOTAL,
    About,
    Catalogue,
    Indicator,
    OrganisationKind,
    Reporter,
    Target,
)
from fourones_shared.catalogue.rules.lookup import fault, inputs_of

_CHINESE = {
    "sources": "来源",
    "organisations": "单位",
    "tiers": "集群梯队",
    "clusters": "集群",
    "pillars": "四个一",
    "plans": "方案",
    "indicators": "指标",
    "targets": "目标",
    "peers": "对标值",
}

Reference = tuple[str, str, str]
"""Pointer, section that is referred to, id."""


def ids_are_unique(catalogue: Catalogue) -> Iterator[Fault]:
    """No id twice within its list."""
    for section in _CHINESE:
        entries = getattr(catalogue, section)
        yield from _twice(f"/{section}", [entry.id for entry in entries])
    for i, plan in enumerate(catalogue.plans):
        yield from _twice(f"/plans/{i}/tasks", [task.id for task in plan.tasks])


def references_exist(catalogue: Catalogue, excused: Mapping[str, Collection[str]]) -> Iterator[Fault]:
    """Everything that is named exists."""
    known = {s: {e.id for e in getattr(catalogue, s)} | set(excused.get(s, ())) for s in _CHINESE}
    for pointer, section, name in _references(catalogue):
        if name not in known[section]:
            yield _missing(pointer, section, name, known[section])
    for i, target in enumerate(catalogue.targets):
        plan = catalogue.plan.get(target.plan)
        if target.task is not None and plan is not None:
            tasks = {task.id for task in plan.tasks}
            if target.task not in tasks:
                yield fault(
                    f"/targets/{i}/task",
                    "unknown-task",
                    zh=(f"方案 {plan.id} 没有任务 {target.task}", f"从 {_listed(tasks)} 中选一个"),
                    en=(f"plan {plan.id} has no task {target.task}", f"choose one of {_listed(tasks)}"),
                )


def bodies_make_sense(catalogue: Catalogue) -> Iterator[Fault]:
    """Exactly one city; zones lie in counties; leads are departments; validity dates are in order."""
    cities = [i for i, o in enumerate(catalogue.organisations) if o.kind is OrganisationKind.CITY]
    if len(cities) != 1:
        yield fault(
            f"/organisations/{cities[1]}/kind" if cities else "/organisations",
            "one-city",
            zh=(f"应有且只有一个市级单位,现有 {len(cities)} 个", "保留一个 kind: city"),
            en=(f"there must be exactly one city, there are {len(cities)}", "keep one organisation of kind city"),
        )
    for i, organisation in enumerate(catalogue.organisations):
        if organisation.within and organisation.kind is not OrganisationKind.ZONE:
            yield fault(
                f"/organisations/{i}/within",
                "only-zones-lie-within",
                zh=(f"{organisation.name} 不是开发区", "只有 kind: zone 的单位可以写 within"),
                en=(f"{organisation.id} is no zone", "only organisations of kind zone have `within`"),
            )
        for j, name in enumerate(organisation.within):
            around = catalogue.organisation.get(name)
            if around is not None and around.kind is not OrganisationKind.COUNTY:
                yield fault(
                    f"/organisations/{i}/within/{j}",
                    "zones-lie-in-counties",
                    zh=(f"{around.name} 不是县(市、区)", "写开发区所在的县(市、区)代码"),
                    en=(f"{name} is no county", "name the counties that the zone lies in"),
                )
        if organisation.valid_from and organisation.valid_until and organisation.valid_until < organisation.valid_from:
            yield fault(
                f"/organisations/{i}/valid_until",
                "ends-before-it-begins",
                zh=("失效日期早于生效日期", "改正两个日期"),
                en=("it ends before it begins", "mend the two days"),
            )
    for i, cluster in enumerate(catalogue.clusters):
        lead = catalogue.organisation.get(cluster.lead)
        if lead is not None and lead.kind is not OrganisationKind.DEPARTMENT:
            yield fault(
                f"/clusters/{i}/lead",
                "lead-is-a-department",
                zh=(f"牵头单位 {lead.name} 不是市级部门", "写牵头部门的代码"),
                en=(f"the lead {lead.id} is no department", "name the department that leads the cluster"),
            )


def _references(catalogue: Catalogue) -> Iterator[Reference]:
    for section in _CHINESE.keys() - {"sources"}:
        for i, entry in enumerate(getattr(catalogue, section)):
            yield f"/{section}/{i}/source", "sources", entry.source
    for i, organisation in enumerate(catalogue.organisations):
        yield from _each(f"/organisations/{i}/within", "organisations", organisation.within)
    for i, cluster in enumerate(catalogue.clusters):
        yield f"/clusters/{i}/tier", "tiers", cluster.tier
        yield f"/clusters/{i}/lead", "organisations", cluster.lead
    for i, indicator in enumerate(catalogue.indicators):
        yield from _of_indicator(f"/indicators/{i}", indicator)
    for i, target in enumerate(catalogue.targets):
        yield from _of_target(f"/targets/{i}", target)


def _of_indicator(at: str, indicator: Indicator) -> Iterator[Reference]:
    reporting = indicator.reporting
    yield from _each(f"{at}/clusters", "clusters", indicator.clusters)
    yield from _one(f"{at}/pillar", "pillars", indicator.pillar)
    yield from _one(f"{at}/plan", "plans", indicator.plan)
    if not isinstance(reporting.about, About):
        yield from _each(f"{at}/reporting/about", "organisations", reporting.about)
    if not isinstance(reporting.by, Reporter):
        yield f"{at}/reporting/by", "organisations", reporting.by
    if reporting.city is not None:
        yield f"{at}/reporting/city/by", "organisations", reporting.city.by
    yield from _each(f"{at}/reporting/may_not_apply", "organisations", reporting.may_not_apply)
    yield from _one(f"{at}/weighted_by", "indicators", indicator.weighted_by)
    for field, name in inputs_of(indicator):
        yield f"{at}/derived/{field}", "indicators", name
    yield from _one(f"{at}/plausibility/months", "indicators", indicator.plausibility.months)
    yield from _one(f"{at}/plausibility/growth_of", "indicators", indicator.plausibility.growth_of)


def _of_target(at: str, target: Target) -> Iterator[Reference]:
    yield f"{at}/plan", "plans", target.plan
    yield f"{at}/indicator", "indicators", target.indicator
    yield from _one(f"{at}/pillar", "pillars", target.pillar)
    for field, section in (("org", "organisations"), ("cluster", "clusters"), ("tier", "tiers")):
        code = getattr(target, field)
        yield from _one(f"{at}/{field}", section, None if code == TOTAL else code)
    yield from _one(f"{at}/responsible/lead", "organisations", target.responsible.lead)
    yield from _each(f"{at}/responsible/equal", "organisations", target.responsible.equal)
    yield from _each(f"{at}/total_of", "targets", target.total_of)


def _one(pointer: str, section: str, name: str | None) -> Iterator[Reference]:
    if name is not None:
        yield pointer, section, name


def _each(pointer: str, section: str, names: Iterable[str]) -> Iterator[Reference]:
    for i, name in enumerate(names):
        yield f"{pointer}/{i}", section, name


def _missing(pointer: str, section: str, name: str, known: Collection[str]) -> Fault:
    close = get_close_matches(name, known, n=1)
    hint_zh = f"是否应为 {close[0]}" if close else f"先在 {section} 中登记,或改正代码"
    hint_en = f"did you mean {close[0]}?" if close else f"add it to {section}, or mend the id"
    return fault(
        pointer,
        "unknown-reference",
        zh=(f"没有{_CHINESE[section]} {name}", hint_zh),
        en=(f"there is no {section.removesuffix('s')} {name}", hint_en),
    )


def _twice(pointer: str, ids: list[str]) -> Iterator[Fault]:
    first: dict[str, int] = {}
    for i, name in enumerate(ids):
        if first.setdefault(name, i) != i:
            yield fault(
                f"{pointer}/{i}/id",
                "duplicate-id",
                zh=(f"{name} 已用于第 {first[name] + 1} 项", "换一个代码,或删去重复的一项"),
                en=(f"{name} is already the id of entry {first[name]}", "choose another, or remove one of them"),
            )


def _listed(names: Collection[str]) -> str:
    return ", ".join(sorted(names)) or "-"
