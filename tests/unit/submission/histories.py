"""Figures that stand already, and a submission beside them: what plausibility says of it."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from unit.submission.builders import COUNTY, NOW, a_catalogue, a_draft, a_figure, a_key, an_indicator

from fourones_shared.catalogue.model import Catalogue
from fourones_shared.domain.numbers import parse_decimal
from fourones_submission.domain.checking import Checked, check
from fourones_submission.domain.draft import FigureDraft
from fourones_submission.domain.known import Series, Values
from fourones_submission.domain.plausibility import Doubtful, compared_with, doubts
from fourones_submission.domain.terms import Terms

SCALE, CLUSTER, OTHER_CLUSTER = "cluster-scale", "construction-machinery", "digital-economy"


class Standing(NamedTuple):
    """A figure that stands: of the county, the indicator and the cluster unless said otherwise."""

    period: str
    value: str | None
    indicator: str = SCALE
    cluster: str = CLUSTER
    org: str = COUNTY


def terms_of(*indicators: Mapping[str, Any], catalogue: Catalogue | None = None) -> Terms:
    return Terms(1, catalogue or a_catalogue(*(dict(indicator) for indicator in indicators)))


def a_series(**changes: Any) -> Terms:
    """One indicator, monthly from 2020, with neither minimum nor maximum."""
    fields = {"minimum": "0", "maximum": None, "reporting": {"first": "2020-01-01"}}
    return terms_of(an_indicator(**fields | changes))


def history(values: Mapping[str, str | None], **place: Any) -> tuple[Standing, ...]:
    """Standing figures by period."""
    return tuple(Standing(period, value, **place) for period, value in values.items())


def months(year: int, *values: str | None, first: int = 1) -> dict[str, str | None]:
    """Values of the year's months, one after the other."""
    return {f"{year}-{first + place:02d}": value for place, value in enumerate(values)}


def stored(standing: Iterable[Standing]) -> Values:
    found: dict[Series, dict[str, Decimal]] = {}
    for s in standing:
        of_series = found.setdefault(Series(s.org, s.indicator, s.period), {})
        if s.value is not None:
            of_series[s.cluster] = parse_decimal(s.value)
    return found


def checked_by(terms: Terms, *figures: FigureDraft, org: str = COUNTY) -> Checked:
    outcome = check(a_draft(*figures, org=org), terms, a_key(org), NOW)
    assert outcome.faults == ()
    return outcome


def doubted(
    terms: Terms, standing: Iterable[Standing], *figures: FigureDraft, org: str = COUNTY
) -> tuple[Doubtful, ...]:
    """The doubts about a submission; of what stands, only what `compared_with` asks for is shown to them."""
    checked = checked_by(terms, *figures, org=org)
    wanted = compared_with(checked, terms)
    return doubts(checked, terms, {series: of for series, of in stored(standing).items() if series in wanted})


def words(found: Iterable[Doubtful]) -> list[tuple[int, str]]:
    return [(doubtful.figure, doubtful.doubt.value) for doubtful in found]


def said(terms: Terms, standing: Iterable[Standing], value: str, period: str = "2026-02", **changes: Any) -> list[str]:
    """The doubts about one figure of that value."""
    figure = a_figure(value=value, period=period, **changes)
    return [word for _, word in words(doubted(terms, standing, figure))]
