"""Doubts about values that keep every rule: what looks like a slip, said before it becomes a total.

A doubt is a warning; where the catalogue asks for it, the reporter must answer it with a justification. A value is
held against the past of its own series (`past`) and against the figures that it must fit (`relations`), both as they
stand now with the submission's own figures put in. What is sent again unchanged was doubted when it first came.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from fourones_shared.catalogue.model import Doubt, Indicator
from fourones_submission.domain.checking import Checked
from fourones_submission.domain.draft import Fault
from fourones_submission.domain.known import Series, Values
from fourones_submission.domain.neighbours import Stretch, neighbours_of
from fourones_submission.domain.past import Entry, falls, is_ordinary, jumps, measure_of, slips
from fourones_submission.domain.relations import Relation, fits, relations_of
from fourones_submission.domain.terms import Terms

_NOTHING: Mapping[str, Decimal] = {}


@dataclass(frozen=True, slots=True)
class Doubtful:
    """A doubt about one figure of a submission.

    Attributes:
        figure: its index, from 0.
        detail: what is doubtful and how to check it, Chinese.
    """

    figure: int
    doubt: Doubt
    detail: str


def compared_with(checked: Checked, terms: Terms) -> frozenset[Series]:
    """The series whose current values the doubts are judged by; not more than 14 a series, relations apart."""
    wanted: set[Series] = set()
    for indicator_id, period in {(f.indicator, f.period) for f in checked.figures if f.value is not None}:
        series = Series(checked.org, indicator_id, period)
        neighbours = neighbours_of(terms.indicator[indicator_id].indicator, period)
        wanted.update(Series(checked.org, indicator_id, key) for key in neighbours.keys)
        for relation in relations_of(series, terms):
            wanted.add(relation.judged)
            wanted.update(relation.others)
    return frozenset(wanted)


def doubts(checked: Checked, terms: Terms, stored: Values) -> tuple[Doubtful, ...]:
    """Everything doubtful about a submission, by figure."""
    standing = _Standing(checked, stored)
    found = [
        Doubtful(standing.new[series][cluster], doubt, detail)
        for series in standing.new
        for cluster, doubt, detail in _OfSeries(series, terms, standing).doubts()
    ]
    return tuple(sorted(found, key=lambda doubtful: doubtful.figure))


def unanswered(checked: Checked, terms: Terms, found: Sequence[Doubtful]) -> tuple[Fault, ...]:
    """The faults of figures whose doubt must be justified and is not, one a figure."""
    asked: dict[int, list[Doubtful]] = {}
    for doubtful in found:
        figure = checked.figures[doubtful.figure]
        justify = terms.indicator[figure.indicator].indicator.plausibility.justify
        if doubtful.doubt in justify and not (figure.justification or "").strip():
            asked.setdefault(doubtful.figure, []).append(doubtful)
    return tuple(
        Fault(
            index,
            "justification",
            "justification_required",
            "本数存疑,须先说明:" + ";".join(doubtful.detail for doubtful in doubtfuls) + "。"
            "数值有误请更正 value,确认无误请在 justification 中写明原因",
        )
        for index, doubtfuls in asked.items()
    )


class _Standing:
    """The figures as they would stand with the submission accepted.

    Attributes:
        new: values that the submission brings or changes: by series, cluster and index of the figure.
    """

    def __init__(self, checked: Checked, stored: Values) -> None:
        self._stored = stored
        self._sent: dict[Series, dict[str, Decimal | None]] = {}
        self._merged: dict[Series, Mapping[str, Decimal]] = {}
        self.new: dict[Series, dict[str, int]] = {}
        by_pair: dict[tuple[str, str], tuple[Series, dict[str, Decimal | None]]] = {}
        for index, figure in enumerate(checked.figures):
            pair = (figure.indicator, figure.period)
            of_pair = by_pair.get(pair)
            if of_pair is None:
                series = Series(checked.org, *pair)
                of_pair = by_pair[pair] = series, self._sent.setdefault(series, {})
            series, sent = of_pair
            sent[figure.cluster] = figure.value
            if figure.value is None:
                continue
            if stored.get(series, _NOTHING).get(figure.cluster) != figure.value:
                self.new.setdefault(series, {})[figure.cluster] = index

    def values(self, series: Series) -> Mapping[str, Decimal]:
        """The values of a series, by cluster."""
        merged = self._merged.get(series)
        if merged is None:
            merged = self._merged[series] = self._merge(series)
        return merged

    def is_new(self, series: Series, cluster: str) -> bool:
        """Whether the submission brings the value or changes it."""
        return cluster in self.new.get(series, {})

    def _merge(self, series: Series) -> Mapping[str, Decimal]:
        stored, sent = self._stored.get(series, _NOTHING), self._sent.get(series)
        if sent is None:
            return stored
        every: dict[str, Decimal | None] = {**stored, **sent}
        return {cluster: value for cluster, value in every.items() if value is not None}


class _OfSeries:
    """The doubts about the new values of one series: what its clusters share is worked out once."""

    def __init__(self, series: Series, terms: Terms, standing: _Standing) -> None:
        indicator: Indicator = terms.indicator[series.indicator].indicator
        self._series = series
        self._standing = standing
        self._neighbours = neighbours_of(indicator, series.period)
        self._ignored = frozenset(indicator.plausibility.ignore)
        self._measure = measure_of(indicator)
        self._values = standing.values(series)
        self._earlier = self._known(self._neighbours.earlier)
        self._year_before = self._known(self._neighbours.year_before)
        self._later = self._known(self._neighbours.later)
        self._relations = [
            relation
            for relation in relations_of(series, terms)
            if relation.doubt not in self._ignored
            and relation.doubt not in terms.indicator[relation.judged.indicator].indicator.plausibility.ignore
        ]

    def doubts(self) -> Iterator[tuple[str, Doubt, str]]:
        """Cluster, doubt, detail."""
        alone = not (self._earlier or self._year_before or self._later)
        for cluster in self._standing.new[self._series]:
            if not alone:
                for doubt, detail in self._beside_its_past(cluster):
                    yield cluster, doubt, detail
            for relation in self._relations:
                contradiction = self._contradiction(relation, cluster)
                if contradiction is not None:
                    yield cluster, relation.doubt, contradiction

    def _known(self, stretches: Sequence[Stretch]) -> _Periods:
        org, indicator, _ = self._series
        found = ((s, self._standing.values(Series(org, indicator, s.key))) for s in stretches)
        return [(stretch, values) for stretch, values in found if values]

    def _beside_its_past(self, cluster: str) -> list[tuple[Doubt, str]]:
        measure, ignored = self._measure, self._ignored
        this, past = (self._neighbours.this, self._values[cluster]), _of(cluster, self._earlier)
        found = []
        if measure.year_to_date and Doubt.YEAR_TO_DATE_FALLS not in ignored:
            fall = falls(this, past, self._later_and_less(this[1], cluster) if self._later else (), measure)
            if fall is not None:
                found.append((Doubt.YEAR_TO_DATE_FALLS, fall))
        if Doubt.UNIT_SLIP not in ignored:
            slip = slips(this, past or self._of_the_year_before(cluster), measure)
            if slip is not None:
                found.append((Doubt.UNIT_SLIP, slip))
        # After these a jump would tell the same once more, and less well.
        if not found and Doubt.JUMP not in ignored and not is_ordinary(this, past, measure):
            jump = jumps(this, past, self._of_the_year_before(cluster), measure)
            if jump is not None:
                found.append((Doubt.JUMP, jump))
        return found

    def _of_the_year_before(self, cluster: str) -> list[Entry]:
        """The same period's value; for the year to date the one before it too. Nothing without the first."""
        entries = _of(cluster, self._year_before)
        return entries if entries and entries[0][0] == self._neighbours.year_before[0] else []

    def _later_and_less(self, value: Decimal, cluster: str) -> list[Entry]:
        """What has been reported later and is less; what is new too is doubted itself for falling below this."""
        less = [entry for entry in _of(cluster, self._later) if entry[1] < value]
        org, indicator, _ = self._series
        return [e for e in less if not self._standing.is_new(Series(org, indicator, e[0].key), cluster)]

    def _contradiction(self, relation: Relation, cluster: str) -> str | None:
        # Where both sides come together, the judged one is doubted, once.
        if relation.judged != self._series and self._standing.is_new(relation.judged, cluster):
            return None
        return fits(relation, lambda series: self._standing.values(series).get(cluster))


_Periods = Sequence[tuple[Stretch, Mapping[str, Decimal]]]


def _of(cluster: str, periods: _Periods) -> list[Entry]:
    return [(stretch, value) for stretch, values in periods if (value := values.get(cluster)) is not None]
