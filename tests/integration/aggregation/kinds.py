"""A catalogue with an indicator of every kind that is answered in a way of its own."""

from __future__ import annotations

from datetime import date
from typing import Any

from support.catalogue import DEPARTMENT, a_catalogue, a_city_indicator, a_target, an_indicator

from fourones_shared.catalogue.model import Catalogue

# Per period; stock; with a department beside; ratio of two; 同比 computed and reported; clusters at 100 or more.
OUTPUT, STAFF, PUBLISHED, SHARE, GROWTH, REACHED = "output", "staff", "published", "share", "growth", "reached"
# The highest of all, and a mean by staff.
PEAK, WAGE = "peak", "wage"


def a_catalogue_of_kinds(*, stands: str = "counties", **changes: Any) -> Catalogue:
    """The default two, and one of every other kind, all monthly from January 2025."""
    fields: dict[str, Any] = {"indicators": indicators(stands=stands), "targets": [a_target()]}
    return a_catalogue(**(fields | changes))


def indicators(*, stands: str = "counties") -> list[dict[str, Any]]:
    """Those of `a_catalogue_of_kinds`."""
    return [
        an_indicator(reporting={"first": date(2025, 1, 1)}),
        a_city_indicator(),
        monthly(OUTPUT, covers="period", january_february="together"),
        monthly(STAFF, kind="stock", covers="period", unit="人", measure="staff"),
        monthly(PUBLISHED, reporting={"city": {"by": DEPARTMENT, "stands": stands}}),
        computed(SHARE, {"kind": "ratio", "numerator": OUTPUT, "denominator": "sales"}),
        monthly("sales", covers="period", january_february="together"),
        computed(
            GROWTH,
            {"kind": "growth", "of": STAFF, "over": "year-before"},
            {"about": "city", "by": DEPARTMENT},
            clusters=(),
        ),
        computed(
            REACHED,
            {"kind": "count-at-or-above", "of": [STAFF], "threshold": 100},
            kind="stock",
            unit="个",
            decimals=0,
        ),
        monthly(PEAK, kind="stock", covers="period", over_organisations="maximum", over_clusters="maximum"),
        monthly(
            WAGE,
            kind="stock",
            covers="period",
            weighted_by=STAFF,
            over_organisations="weighted-mean",
            over_clusters="weighted-mean",
        ),
    ]


def monthly(id: str, *, reporting: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:  # noqa: A002
    """From January 2025; else as the default one: year to date, for every cluster, summed."""
    return an_indicator(id, reporting={"first": date(2025, 1, 1)} | (reporting or {}), **changes)


def computed(
    id: str,  # noqa: A002
    derived: dict[str, Any],
    reporting: dict[str, Any] | None = None,
    **changes: Any,
) -> dict[str, Any]:
    """A derived indicator that nobody reports, unless said otherwise."""
    fields = {"derived": derived, "kind": "ratio", "covers": "period", "unit": "%", "measure": id, "decimals": 2}
    added = {"over_organisations": "none", "over_clusters": "none", "january_february": "separate"}
    joined = {"january_february": "together"} if derived["kind"] == "ratio" else {}
    return monthly(id, reporting={"by": "computed"} | (reporting or {}), **(fields | added | joined | changes))
