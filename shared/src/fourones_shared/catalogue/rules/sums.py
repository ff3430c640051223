"""What must not be added is refused, with the reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from decimal import Decimal

from fourones_shared.catalogue.faults import Fault
from fourones_shared.catalogue.model import TOTAL, Adding, Catalogue, CountAtOrAbove, Indicator, Target
from fourones_shared.catalogue.rules.lookup import fault, indicator_of, period_or_none
from fourones_shared.domain.numbers import format_decimal


def cluster_totals_are_of_all_clusters(catalogue: Catalogue) -> Iterator[Fault]:
    """A target on a total over clusters, or on their number, needs figures of all clusters of that scope."""
    for i, target in enumerate(catalogue.targets):
        indicator = indicator_of(catalogue, target)
        if indicator is None or target.cluster != TOTAL:
            continue
        scope = [c.id for c in catalogue.clusters if target.tier in {TOTAL, c.tier}]
        at = f"/targets/{i}/cluster" if target.tier == TOTAL else f"/targets/{i}/tier"
        sources = [catalogue.indicator[name] for name in indicator.inputs if name in catalogue.indicator]
        if isinstance(indicator.derived, CountAtOrAbove):
            yield from _all_counted(at, indicator, scope, {c for source in sources for c in source.clusters})
            continue
        for one in sources or [indicator]:
            left_out = [name for name in scope if name not in one.clusters]
            if left_out and one.over_clusters is not Adding.NONE:
                yield _not_all(at, catalogue, one, scope, left_out)


def sums_of_targets_add_up(catalogue: Catalogue) -> Iterator[Fault]:
    """A target that is the sum of others equals it, and its parts are of one measure, unit, kind and due date."""
    for i, target in enumerate(catalogue.targets):
        parts = [catalogue.target[name] for name in target.total_of if name in catalogue.target]
        if not target.total_of or len(parts) < len(target.total_of):
            continue
        at = f"/targets/{i}/total_of"
        if len(set(target.total_of)) < len(target.total_of) or _leads_back(catalogue, target):
            yield fault(
                at,
                "circular-sum",
                zh=("合计包含自身,或同一部分出现两次", "每个部分只列一次,且不含合计本身"),
                en=("the sum holds itself, or a part twice", "list each part once, and never the sum"),
            )
            continue
        mixed = list(_mixtures(catalogue, at, target, parts))
        yield from mixed
        total = sum((part.value for part in parts), Decimal(0))
        if not mixed and total != target.value:
            yield fault(
                f"/targets/{i}/value",
                "sum-differs",
                zh=(f"目标值 {format_decimal(target.value)},各部分之和 {format_decimal(total)}", "改正其中之一"),
                en=(
                    f"the value is {format_decimal(target.value)}, its parts make {format_decimal(total)}",
                    "mend one of them",
                ),
            )


def _all_counted(at: str, indicator: Indicator, scope: Sequence[str], counted: Collection[str]) -> Iterator[Fault]:
    left_out = [name for name in scope if name not in counted]
    if left_out:
        share = f"{len(scope) - len(left_out)}/{len(scope)}"
        yield fault(
            at,
            "not-all-clusters",
            zh=(
                f"{indicator.id} 只数得到 {share} 个集群,{'、'.join(left_out)} 没有指标",
                "在 derived.of 补上它们的指标",
            ),
            en=(f"{indicator.id} counts only {share} clusters, not {', '.join(left_out)}", "add their indicators"),
        )


def _not_all(
    at: str, catalogue: Catalogue, indicator: Indicator, scope: Sequence[str], left_out: Sequence[str]
) -> Fault:
    why_zh, why_en = _why_left_out(catalogue, indicator, left_out)
    covered = f"{len(scope) - len(left_out)}/{len(scope)}"
    return fault(
        at,
        "not-all-clusters",
        zh=(f"指标 {indicator.id} 只覆盖 {covered} 个集群,合计不成立:{why_zh}", "按集群分别设目标"),
        en=(
            f"{indicator.id} covers {covered} clusters, so there is no total: {why_en}",
            "set a target for each cluster",
        ),
    )


def _why_left_out(catalogue: Catalogue, indicator: Indicator, left_out: Sequence[str]) -> tuple[str, str]:
    zh, en = [], []
    for name in left_out:
        others = (indicator_of(catalogue, t) for t in catalogue.targets if t.cluster == name)
        other = next((o for o in others if o is not None and o.unit == indicator.unit), None)
        label = catalogue.cluster[name].name
        if other is None or other.measure == indicator.measure:
            zh.append(f"{label}不报送本指标")
            en.append(f"{name} does not report it")
        else:
            zh.append(f"{label}按{other.name}({other.measure})计,不是{indicator.name}({indicator.measure}),口径不同")
            en.append(f"{name} is measured in {other.measure} ({other.id}), not in {indicator.measure}")
    return ";".join(zh), "; ".join(en)


def _mixtures(catalogue: Catalogue, at: str, target: Target, parts: Sequence[Target]) -> Iterator[Fault]:
    aspects: tuple[tuple[str, str, Callable[[Target], str]], ...] = (
        ("measure", "口径", lambda t: _of(catalogue, t, "measure")),
        ("unit", "单位", lambda t: t.unit),
        ("kind", "类型", lambda t: _of(catalogue, t, "kind")),
        ("due period", "到期", _due),
    )
    for name, chinese, aspect in aspects:
        counts = Counter(aspect(part) for part in parts)
        if len({aspect(target), *counts}) == 1:
            continue
        usual, how_many = counts.most_common(1)[0]
        odd = [part for part in parts if aspect(part) != usual]
        others = ", ".join(f"{part.id}: {aspect(part)}" for part in odd) or f"{target.id}: {aspect(target)}"
        share = f"{how_many}/{len(parts)}"
        yield fault(
            at,
            "mixed-" + name.replace(" ", "-"),
            zh=(f"{chinese}不同,不能相加:{share} 个部分为 {usual},另有 {others}", f"只合计{chinese}相同的目标"),
            en=(
                f"different in {name}, no sum exists: {share} parts are {usual}, but {others}",
                f"add only targets of one {name}",
            ),
        )


def _of(catalogue: Catalogue, target: Target, field: str) -> str:
    indicator = indicator_of(catalogue, target)
    return "?" if indicator is None else str(getattr(indicator, field))


def _due(target: Target) -> str:
    if target.per is not None:
        return f"per {target.per}"
    period = period_or_none(target.by)
    return target.by or "?" if period is None else period.key


def _leads_back(catalogue: Catalogue, target: Target) -> bool:
    seen: set[str] = set()
    ahead = list(target.total_of)
    while ahead:
        name = ahead.pop()
        if name == target.id:
            return True
        if name not in seen and name in catalogue.target:
            seen.add(name)
            ahead.extend(catalogue.target[name].total_of)
    return False
