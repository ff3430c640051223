"""Plans have days in order and light bands without gap or overlap; peers have periods."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import pairwise

from fourones_shared.catalogue.faults import Fault
from fourones_shared.catalogue.model import Band, BandVerdict, Catalogue
from fourones_shared.catalogue.rules.lookup import fault, period_fault, period_or_none
from fourones_shared.domain.numbers import format_decimal

_SEVERITY = (BandVerdict.ON_TRACK, BandVerdict.LAGGING, BandVerdict.OFF_TRACK)


def plans_make_sense(catalogue: Catalogue) -> Iterator[Fault]:
    """A plan ends after it begins."""
    for i, plan in enumerate(catalogue.plans):
        if plan.end < plan.start:
            yield fault(
                f"/plans/{i}/end",
                "ends-before-it-begins",
                zh=(f"方案 {plan.start} 开始,{plan.end} 结束", "改正起止日期"),
                en=(f"the plan begins on {plan.start} and ends on {plan.end}", "mend the two days"),
            )


def bands_cover_the_line(catalogue: Catalogue) -> Iterator[Fault]:
    """Every share behind the curve has exactly one light, and further behind is never a better one."""
    for i, plan in enumerate(catalogue.plans):
        yield from _bands(f"/plans/{i}/bands", plan.bands)


def peers_have_periods(catalogue: Catalogue) -> Iterator[Fault]:
    """A peer's values carry periods, the first before the last."""
    for i, peer in enumerate(catalogue.peers):
        for field in ("start", "end"):
            value = getattr(peer, field)
            if value is not None and period_or_none(value.period) is None:
                yield period_fault(f"/peers/{i}/{field}/period", value.period)
        start = period_or_none(peer.start.period) if peer.start else None
        end = period_or_none(peer.end.period)
        if start is not None and end is not None and start.end >= end.end:
            yield fault(
                f"/peers/{i}/start/period",
                "ends-before-it-begins",
                zh=("起点不早于终点", "改正两个报告期"),
                en=("the first value is not before the last", "mend the two periods"),
            )


def _bands(at: str, bands: Sequence[Band]) -> Iterator[Fault]:
    if not bands:
        yield _open(at, None, None)
        return
    for i, band in enumerate(bands):
        if band.over is not None and band.up_to is not None and band.over >= band.up_to:
            yield fault(
                f"{at}/{i}",
                "empty-band",
                zh=(f"区间 {_stretch(band.over, band.up_to)} 是空的", "下限 over 应小于上限 up_to"),
                en=(f"the stretch {_stretch(band.over, band.up_to)} is empty", "`over` must be less than `up_to`"),
            )
            return
    order = sorted(range(len(bands)), key=lambda i: (bands[i].over is not None, bands[i].over or Decimal(0)))
    if bands[order[0]].over is not None:
        yield _open(at, None, bands[order[0]].over)
    reach: Decimal | None = bands[order[0]].up_to
    for before, i in pairwise(order):
        low, high = bands[i].over, bands[i].up_to
        if reach is None or low is None or low < reach:
            end = high if reach is None or (high is not None and high < reach) else reach
            yield fault(
                f"{at}/{i}",
                "bands-overlap",
                zh=(f"{_stretch(low, end)} 被两个区间重复覆盖", "让上一区间的 up_to 等于下一区间的 over"),
                en=(f"{_stretch(low, end)} is covered twice", "let one band's `up_to` be the next one's `over`"),
            )
        elif low > reach:
            yield _open(f"{at}/{i}", reach, low)
        if _SEVERITY.index(bands[i].verdict) < _SEVERITY.index(bands[before].verdict):
            yield fault(
                f"{at}/{i}/verdict",
                "bands-out-of-order",
                zh=("落后更多反而更好", "按 on_track、lagging、off_track 的次序排列"),
                en=("further behind is judged better", "order them on_track, lagging, off_track"),
            )
        reach = None if reach is None or high is None else max(reach, high)
    if reach is not None:
        yield _open(at, reach, None)


def _open(pointer: str, low: Decimal | None, high: Decimal | None) -> Fault:
    return fault(
        pointer,
        "bands-leave-a-gap",
        zh=(f"{_stretch(low, high)} 没有对应的灯:{_in_points(low, high, _ZH)}", "补一个区间,或延长相邻区间"),
        en=(
            f"{_stretch(low, high)} has no light: {_in_points(low, high, _EN)}",
            "add a band, or lengthen its neighbour",
        ),
    )


def _in_points(low: Decimal | None, high: Decimal | None, words: tuple[str, str, str, str]) -> str:
    """A stretch of shares as people say it: 0 to 10 percentage points behind the curve."""
    everything, over, up_to, between = words
    bounds = [None if bound is None else format_decimal(bound * 100) for bound in (low, high)]
    if bounds[0] is not None and bounds[1] is not None:
        return between.format(*bounds)
    if bounds[0] is None and bounds[1] is None:
        return everything
    return over.format(bounds[0]) if bounds[0] is not None else up_to.format(bounds[1])


_ZH = ("没有任何区间", "落后超过 {} 个百分点未定义", "落后不超过 {} 个百分点未定义", "落后 {} 至 {} 个百分点未定义")
_EN = (
    "there is no band",
    "more than {} points behind is undefined",
    "up to {} points behind is undefined",
    "{} to {} points behind is undefined",
)


def _stretch(low: Decimal | None, high: Decimal | None) -> str:
    left = "(-∞" if low is None else f"({format_decimal(low)}"
    right = "+∞)" if high is None else f"{format_decimal(high)}]"
    return f"{left}, {right}"
