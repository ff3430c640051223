"""What every total must come to, reckoned plainly: the specification that the service's answers are held against.

Figures lie in a dictionary, and every answer is a loop over it. Nothing is kept, nothing is moved by differences, and
nothing of the service is used: of `shared` only the catalogue's types and the calendar's periods.

Words as in the design: a *place* is an organisation and a cluster that an indicator is reported for; a *scope*
(organisation, cluster, tier; `_T` where one is not fixed) totals over the places that it holds, its *members*.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal, localcontext
from fractions import Fraction
from functools import cache
from itertools import chain

from fourones_shared.catalogue.model import Catalogue, CountAtOrAbove, Growth, Indicator, Ratio, Target
from fourones_shared.domain.periods import Period, end_of_day
from fourones_shared.events.model import FiguresSubmitted, FigureSubmitted

TOTAL = "_T"
CITY = (TOTAL, TOTAL, TOTAL)

Scope = tuple[str, str, str]
"""Organisation, cluster, tier."""
Key = tuple[str, str, str, str]
"""Of a figure: indicator, organisation, cluster, period."""
Question = tuple[str, Scope, str]
"""Of an answer: indicator, scope, period."""

# From strong to weak: the weakest speaks for a total.
STATUSES = "APEF"


@dataclass(frozen=True)
class Said:
    """What is said of an indicator in a scope and a period."""

    value: Decimal | None
    status: str | None
    reported: int
    expected: int
    missing: tuple[str, ...]
    through: str | None = None

    @property
    def complete(self) -> bool:
        return self.reported >= self.expected


@dataclass(frozen=True)
class Row:
    """What is kept of a total: how it adds up, its members' sum and counts, and what is computed."""

    rule: str
    total: Decimal
    reported: int
    expected: int
    provisional: int
    estimated: int
    forecast: int
    computed: Decimal | None = None
    computed_known: int | None = None
    computed_of: int | None = None
    computed_missing: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Score:
    """What is said of a cluster's pillar in a period."""

    state: str
    score: Fraction | None
    reported: int
    expected: int


class Books:
    """All that was submitted: of every figure the revision with the highest sequence."""

    def __init__(self) -> None:
        self.newest: dict[Key, tuple[int, FigureSubmitted]] = {}
        self.revisions: set[tuple[Key, int]] = set()

    def note(self, submission: FiguresSubmitted) -> None:
        for figure in submission.figures:
            key = figure.indicator, submission.org, figure.cluster, figure.period
            self.revisions.add((key, submission.sequence))
            if key not in self.newest or self.newest[key][0] < submission.sequence:
                self.newest[key] = submission.sequence, figure


class Reckoning:
    """Every answer under one catalogue, at one moment.

    Args:
        books: what was submitted.
        catalogue: the version in force.
        opened_until: the last day on which periods were opened.
        now: by which due dates pass.
    """

    def __init__(self, books: Books, catalogue: Catalogue, opened_until: date, now: datetime) -> None:
        self.catalogue = catalogue
        self.opened_until = opened_until
        self.now = now
        # A withdrawn figure is none, but it has opened its period all the same.
        self.come = set(books.newest)
        self.figures = {key: figure for key, (_, figure) in books.newest.items() if not figure.withdrawn}
        self.named: dict[str, set[Scope]] = {}
        for target in catalogue.targets:
            self.named.setdefault(target.indicator, set()).add((target.org, target.cluster, target.tier))
        self.places = cache(self._places)
        self.members = cache(self._members)
        self.open_periods = cache(self._open_periods)
        self.said = cache(self._said)

    # -- all answers --------------------------------------------------------------------------------------------------

    def everything(self) -> dict[Question, Said]:
        """What is said of every scope in every open period."""
        found = {}
        for indicator in self.catalogue.indicators:
            for period in self.open_periods(indicator.id):
                for scope in self.scopes(indicator, period):
                    said = self.said(indicator.id, scope, period)
                    if said is not None:
                        found[indicator.id, scope, period.key] = said
        return found

    def rows(self) -> dict[Question, Row]:
        """What is kept: of every scope with several members, that a target names, or that is derived."""
        found = {}
        for indicator in self.catalogue.indicators:
            for period in self.open_periods(indicator.id):
                for scope in self.scopes(indicator, period):
                    row = self.row(indicator, scope, period)
                    if row is not None:
                        found[indicator.id, scope, period.key] = row
        return found

    def stretches(self, spans: Collection[Period]) -> dict[Question, Said]:
        """What is said of longer periods, of every scope of what is reported more finely."""
        found = {}
        for indicator in self.catalogue.indicators:
            scopes = {s for period in self.open_periods(indicator.id) for s in self.scopes(indicator, period)}
            for span in spans:
                for scope in scopes if self.parts(indicator, span) else ():
                    said = self.over_time(indicator, scope, span)
                    if said is not None:
                        found[indicator.id, scope, span.key] = said
        return found

    # -- periods ------------------------------------------------------------------------------------------------------

    def _open_periods(self, indicator_id: str) -> list[Period]:
        """Those that have begun, and those ahead of which a figure has come that counts."""
        indicator = self.catalogue.indicator[indicator_id]
        begun = set(expected_periods(indicator, self.opened_until))
        early = {
            Period.parse(period)
            for of, org, cluster, period in self.come
            if of == indicator_id and self.counts(indicator, org, cluster, Period.parse(period))
        }
        return sorted(begun | early)

    def counts(self, indicator: Indicator, org: str, cluster: str, period: Period) -> bool:
        """Whether the catalogue admits such a figure."""
        return is_expected(indicator, period) and any(
            (org, cluster) == place[:2] for place in self.places(indicator.id, period)
        )

    # -- places and scopes --------------------------------------------------------------------------------------------

    def subjects(self, indicator: Indicator, period: Period) -> list[str]:
        """Whom the indicator is about: those who exist on the period's last day."""
        about = indicator.reporting.about
        if about == "counties-and-zones":
            ids = [o.id for o in self.catalogue.organisations if o.kind in {"county", "zone"}]
        else:
            ids = [self.catalogue.city.id] if about == "city" else list(about)
        if indicator.reporting.city is not None:
            ids.append(self.catalogue.city.id)
        return [o for o in ids if _exists(self.catalogue, o, period.end)]

    def _places(self, indicator_id: str, period: Period) -> list[tuple[str, str, str, bool]]:
        """Organisation, cluster, tier, and whether the place is left out of totals over organisations."""
        indicator = self.catalogue.indicator[indicator_id]
        if indicator.reporting.by == "computed":
            return []
        orgs = self.subjects(indicator, period)
        return [
            (org, cluster, self.tier(cluster), self.apart(indicator, org, orgs))
            for org in orgs
            for cluster in indicator.clusters or (TOTAL,)
        ]

    def tier(self, cluster: str) -> str:
        return next((c.tier for c in self.catalogue.clusters if c.id == cluster), TOTAL)

    def apart(self, indicator: Indicator, org: str, orgs: Sequence[str]) -> bool:
        city = indicator.reporting.city
        if city is not None and (org == self.catalogue.city.id) == (city.stands == "counties"):
            return True
        districts = self.catalogue.organisation[org].within
        return indicator.zones == "inside" and any(district in orgs for district in districts)

    def _members(self, indicator_id: str, scope: Scope, period: Period) -> list[tuple[str, str]]:
        org, cluster, tier = scope
        return [
            (its_org, its_cluster)
            for its_org, its_cluster, its_tier, apart in self.places(indicator_id, period)
            if (org == its_org or (org == TOTAL and not apart))
            and cluster in {TOTAL, its_cluster}
            and tier in {TOTAL, its_tier}
        ]

    def scopes(self, indicator: Indicator, period: Period) -> set[Scope]:
        orgs, clusters = self.subjects(indicator, period), indicator.clusters or (TOTAL,)
        found = {scope for org in orgs for c in clusters for scope in _natural(org, c, self.tier(c))}
        found |= {CITY} | {(TOTAL, TOTAL, tier.id) for tier in self.catalogue.tiers}
        return found | self.named.get(indicator.id, set())

    def way(self, indicator: Indicator, scope: Scope, period: Period) -> str | None:
        """How the scope's members make one value: a way of adding, `alone`, or None where there is no such value."""
        members = self.members(indicator.id, scope, period)
        if not members:
            return None
        ways = set()
        if len({org for org, _ in members}) > 1:
            ways.add(str(indicator.over_organisations))
        if len({cluster for _, cluster in members}) > 1:
            ways.add(str(indicator.over_clusters))
        if not ways:
            return "alone"
        # The mean of some sums is not the mean of the figures, and what must not be added is not.
        return ways.pop() if len(ways) == 1 and "none" not in ways else None

    def is_derived_in(self, indicator: Indicator, scope: Scope, period: Period) -> bool:
        """Whether the indicator is computed there: where its inputs have a value."""
        match indicator.derived:
            case CountAtOrAbove(of=several):
                tiers = {self.tier(c) for i in several for c in self.catalogue.indicator[i].clusters}
                return scope == CITY or (scope[:2] == (TOTAL, TOTAL) and scope[2] in tiers)
            case Ratio() | Growth():
                orgs, clusters = self.subjects(indicator, period), indicator.clusters or (TOTAL,)
                own = {s for org in orgs for c in clusters for s in _natural(org, c, self.tier(c))}
                sources = [self.catalogue.indicator[i] for i in _inputs(indicator)]
                return scope in own and all(self.way(source, scope, period) for source in sources)
            case _:
                return False

    # -- one answer ---------------------------------------------------------------------------------------------------

    def _said(self, indicator_id: str, scope: Scope, period: Period) -> Said | None:
        """None where the catalogue knows no such value, or the period is not open."""
        if period not in self.open_periods(indicator_id):
            return None
        indicator = self.catalogue.indicator[indicator_id]
        if self.is_derived_in(indicator, scope, period):
            return self.derived_or_reported(indicator, scope, period)
        way = self.way(indicator, scope, period)
        return None if way is None else self.of_members(indicator, scope, period, way)

    def row(self, indicator: Indicator, scope: Scope, period: Period) -> Row | None:
        members = self.members(indicator.id, scope, period)
        derived = self.is_derived_in(indicator, scope, period)
        way = self.way(indicator, scope, period)
        if not derived and (way is None or (way == "alone" and scope not in self.named.get(indicator.id, ()))):
            return None
        values = [f for f in self._figures(indicator, members, period) if f is not None and f.value is not None]
        row = Row(
            rule="D" if derived else _LETTERS[way or ""],
            total=sum((f.value for f in values if f.value is not None), Decimal(0)),
            reported=len(values),
            expected=len([place for place in members if self.is_owed(indicator, place, period)]),
            provisional=len([f for f in values if f.status == "P"]),
            estimated=len([f for f in values if f.status == "E"]),
            forecast=len([f for f in values if f.status == "F"]),
        )
        if derived:
            computed = self.derived(indicator, scope, period)
            if computed.expected == 0:
                return replace(row, computed=computed.value)
            return replace(
                row,
                computed=computed.value,
                computed_known=computed.reported,
                computed_of=computed.expected,
                computed_missing=computed.missing,
            )
        if way in {"maximum", "weighted-mean"}:
            return replace(row, computed=self.of_members(indicator, scope, period, way).value)
        return row

    def of_members(self, indicator: Indicator, scope: Scope, period: Period, way: str) -> Said:
        """The value that the members' figures make, and how many of them have come."""
        members = self.members(indicator.id, scope, period)
        figures = self._figures(indicator, members, period)
        values = [(place, f.value) for place, f in zip(members, figures, strict=True) if f is not None]
        given = [(place, value) for place, value in values if value is not None]
        owed = [place for place in members if self.is_owed(indicator, place, period)]
        value: Decimal | None = None
        if given and way == "mean":
            value = rounded(Fraction(sum(v for _, v in given)) / len(given), 10)
        elif given and way == "maximum":
            value = max(v for _, v in given)
        elif given and way == "weighted-mean":
            value = self._weighted(indicator, period, given)
        elif given:
            value = sum((v for _, v in given), Decimal(0))
        status = weakest([str(f.status) for f in figures if f is not None and f.value is not None])
        if len(members) == 1 and scope not in self.named.get(indicator.id, ()) and figures[0] is not None:
            # One figure speaks for itself: it may say that it is declared missing or does not apply.
            status = str(figures[0].status)
        elif value is None:
            status = None
        missing = {
            cluster if scope[0] != TOTAL and cluster != TOTAL else org
            for org, cluster in owed
            if (org, cluster) not in {place for place, _ in given}
        }
        return Said(value, status, len(given), len(owed), tuple(sorted(missing)))

    def is_owed(self, indicator: Indicator, place: tuple[str, str], period: Period) -> bool:
        """Whether a figure is expected: unless it says, by leave of the catalogue, that it does not apply."""
        figure = self.figures.get((indicator.id, *place, period.key))
        leave = place[0] in indicator.reporting.may_not_apply
        return not (figure is not None and figure.value is None and figure.status == "M" and leave)

    def _figures(
        self, indicator: Indicator, members: Sequence[tuple[str, str]], period: Period
    ) -> list[FigureSubmitted | None]:
        return [self.figures.get((indicator.id, org, cluster, period.key)) for org, cluster in members]

    def _weighted(
        self, indicator: Indicator, period: Period, given: Sequence[tuple[tuple[str, str], Decimal]]
    ) -> Decimal | None:
        weight = self.catalogue.indicator[indicator.weighted_by or ""]
        above, below = Fraction(0), Fraction(0)
        for (org, cluster), value in given:
            weighing = self.figures.get((weight.id, org, cluster, period.key))
            if weighing is not None and weighing.value is not None and self.counts(weight, org, cluster, period):
                above += Fraction(value) * Fraction(weighing.value)
                below += Fraction(weighing.value)
        return rounded(above / below, 10) if below else None

    # -- over time ----------------------------------------------------------------------------------------------------

    def over_time(self, indicator: Indicator, scope: Scope, span: Period) -> Said | None:
        """A quarter, half-year or year of what is reported more finely."""
        parts = self.parts(indicator, span)
        if not parts:
            return None
        takes_last = indicator.kind == "stock" or indicator.covers == "year-to-date"
        said = {part: self.said(indicator.id, scope, part) for part in parts}
        if all(one is None for one in said.values()):
            return None
        given = [(part, one) for part, one in said.items() if one is not None and one.value is not None]
        if takes_last:
            given, counted = given[-1:], parts[-1:]
        else:
            counted = parts
        covering = [said[part] or self._unopened(indicator, scope, part) for part in counted]
        return Said(
            value=sum((one.value for _, one in given if one.value is not None), Decimal(0)) if given else None,
            status=weakest([one.status for _, one in given]),
            reported=sum(one.reported for one in covering),
            expected=sum(one.expected for one in covering),
            missing=union(one.missing for one in covering),
            through=given[-1][0].key if given else None,
        )

    def parts(self, indicator: Indicator, span: Period) -> list[Period]:
        """The reported periods that make the longer one; none where they cannot."""
        if indicator.derived is not None or indicator.kind == "ratio" or is_expected(indicator, span):
            return []
        takes_last = indicator.kind == "stock" or indicator.covers == "year-to-date"
        if not takes_last and {indicator.over_organisations, indicator.over_clusters} & {"maximum", "weighted-mean"}:
            return []
        parts = [p for p in expected_periods(indicator, span.end) if span.start <= p.start and p.end <= span.end]
        return [] if any(p.frequency == span.frequency for p in parts) else parts

    def _unopened(self, indicator: Indicator, scope: Scope, period: Period) -> Said:
        """Of a period that has not opened: everybody is expected, who is missing is not told."""
        expected = len(self.members(indicator.id, scope, period)) if self.way(indicator, scope, period) else 0
        return Said(None, None, 0, expected, ())

    # -- derived ------------------------------------------------------------------------------------------------------

    def derived_or_reported(self, indicator: Indicator, scope: Scope, period: Period) -> Said:
        """The computed value where all that it needs is there, else the reported one, else the computed so far."""
        computed = self.derived(indicator, scope, period)
        if computed.complete and computed.value is not None:
            return computed
        owed = [p for p in self.members(indicator.id, scope, period) if self.is_owed(indicator, p, period)]
        if len(owed) != 1:
            # Nobody reports it, or several do about their parts: percentages are not added.
            return computed
        own = self.of_members(indicator, scope, period, "alone")
        if own.value is None:
            return computed if computed.value is not None else replace(own, status=None)
        return own

    def derived(self, indicator: Indicator, scope: Scope, period: Period) -> Said:
        match indicator.derived:
            case Ratio(numerator=numerator, denominator=denominator):
                return self._ratio(indicator, numerator, denominator, scope, period)
            case Growth() as growth:
                return self._growth(indicator, growth, scope, period)
            case CountAtOrAbove() as count:
                return self._count(count, scope, period)
            case None:
                raise ValueError(indicator.id)

    def look(self, source: Indicator, scope: Scope, period: Period) -> Said:
        """An input's value in the period, or in the stretch of what is reported more finely."""
        period = named_by(source, period)
        if is_expected(source, period):
            return self.said(source.id, scope, period) or self._unopened(source, scope, period)
        said = self.over_time(source, scope, period)
        if said is None:
            parts = [p for p in expected_periods(source, period.end) if period.start <= p.start]
            return Said(None, None, 0, sum(self._unopened(source, scope, p).expected for p in parts), ())
        return said

    def _ratio(self, indicator: Indicator, numerator: str, denominator: str, scope: Scope, period: Period) -> Said:
        above, below = self.catalogue.indicator[numerator], self.catalogue.indicator[denominator]
        top, bottom = self.look(above, scope, period), self.look(below, scope, period)
        value = None
        if top.value is not None and bottom.value and self._alike(above, below, scope, period):
            value = in_unit(indicator, Fraction(top.value) / Fraction(bottom.value))
        return of_both(value, top, bottom)

    def _alike(self, above: Indicator, below: Indicator, scope: Scope, period: Period) -> bool:
        """Whether both values are of the same months, and in each of the same reporters."""

        def made_of(source: Indicator) -> dict[str, Said]:
            own = named_by(source, period)
            parts = [own]
            if not is_expected(source, own):
                parts = [p for p in expected_periods(source, own.end) if own.start <= p.start]
            said = {part.key: self.said(source.id, scope, part) for part in parts}
            return {key: one for key, one in said.items() if one is not None and one.value is not None}

        one, other = made_of(above), made_of(below)
        return one.keys() == other.keys() and all(same_reporters(one[key], other[key]) for key in one)

    def _growth(self, indicator: Indicator, growth: Growth, scope: Scope, period: Period) -> Said:
        source = self.catalogue.indicator[growth.of]
        now = self.look(source, scope, period)
        base_period: Period | None = period.year_before()
        if growth.over == "mean-annual":
            base_period = Period.parse(growth.since or "")
        elif growth.over == "previous":
            # Two months as one are no base for a month, nor a month for them.
            joined = source.january_february == "together" and period.start.month <= 3
            base_period = None if joined else period.previous()
        if base_period is None:
            return Said(None, None, now.reported, now.expected, now.missing)
        base = self.look(source, scope, base_period)
        value = None
        if now.value is not None and base.value is not None and base.value > 0 and same_reporters(now, base):
            factor = Fraction(now.value) / Fraction(base.value)
            if growth.over == "mean-annual":
                value = in_unit(indicator, yearly(factor, period.year - base_period.year))
            else:
                value = in_unit(indicator, factor - 1)
        return of_both(value, now, base)

    def _count(self, count: CountAtOrAbove, scope: Scope, period: Period) -> Said:
        """How many clusters have reached the threshold: for sure, or with a part that can only grow."""
        reached, valued, known, concerned = 0, [], [], []
        for cluster in self.catalogue.clusters:
            for source in (self.catalogue.indicator[i] for i in count.of):
                if scope[2] not in {TOTAL, cluster.tier} or cluster.id not in source.clusters:
                    continue
                its = self.look(source, (TOTAL, cluster.id, TOTAL), period)
                if its.expected == 0 and its.value is None:
                    continue
                concerned.append(cluster.id)
                if its.value is None:
                    continue
                valued.append(its)
                grows = source.over_organisations == "sum" and source.minimum is not None and source.minimum >= 0
                if its.complete:
                    known.append(cluster.id)
                if its.value >= count.threshold and (its.complete or grows):
                    reached += 1
        return Said(
            value=Decimal(reached) if valued else None,
            status=weakest([its.status for its in valued]),
            reported=len(known),
            expected=len(concerned),
            missing=tuple(sorted(set(concerned) - set(known))),
        )

    # -- the four ones ------------------------------------------------------------------------------------------------

    def pillar(self, cluster: str, pillar: str, period: Period) -> Score:
        """The weighted mean of how far the pillar's targets have come by what is due."""
        attainments, reported, expected, runs, due = [], 0, 0, False, False
        for target in self.catalogue.targets:
            plan = self.catalogue.plan[target.plan]
            last = Period.parse(target.by).end if target.by else plan.end
            if (target.cluster, target.pillar) != (cluster, pillar) or plan.start > period.end or period.start > last:
                continue
            runs = True
            counting = []
            for outcomes in self._stretches_due(target, period, last):
                due = True
                # The latest that applies stands for its year; of months and quarters each stands for itself.
                attainment, came, of = next((o for o in reversed(outcomes) if o[2] > 0), outcomes[-1])
                reported, expected = reported + came, expected + of
                if of > 0:
                    counting.append(attainment)
            if counting:
                attainments.append((Fraction(target.weight), sum(counting, Fraction(0)) / len(counting)))
        weight = sum(w for w, _ in attainments)
        state = "scored" if attainments else "not_applicable" if due else "not_yet_due" if runs else "no_target"
        score = sum((w * a for w, a in attainments), Fraction(0)) / weight if attainments else None
        return Score(state, score, reported, expected)

    def _stretches_due(self, target: Target, period: Period, last: date) -> Iterator[list[tuple[Fraction, int, int]]]:
        """Attainment, reported and expected at each report that is due, together for each time the target starts anew.

        Reports are monthly here; a target is per month, quarter or year and starts from 0, or by a date from a
        baseline.
        """
        indicator = self.catalogue.indicator[target.indicator]
        start = self.catalogue.plan[target.plan].start
        reports = [p for p in expected_periods(indicator, last) if start <= p.end <= last]
        stretches: dict[Period | None, list[tuple[Fraction, int, int]]] = {}
        for report in reports:
            if not period.start <= report.end <= period.end or due_at(indicator, report) > self.now:
                continue
            if target.baseline is not None:
                begin, base = Period.parse(target.baseline.period).end, Fraction(target.baseline.value)
                share = Fraction((report.end - begin).days, (last - begin).days)
                stretch, parts = None, [report]
            else:
                stretch = stretch_of(str(target.per), report)
                within = [p for p in reports if stretch.start <= p.end <= stretch.end]
                if target.per != "year" and report != within[-1]:
                    continue
                begin, base = stretch.start - timedelta(days=1), Fraction(0)
                share = Fraction((report.end - begin).days, (stretch.end - begin).days)
                parts = [p for p in within if p <= report]
            goes = base + (Fraction(target.value) - base) * share
            stretches.setdefault(stretch, []).append(self._outcome(target, indicator, parts, base, goes))
        yield from stretches.values()

    def _outcome(
        self, target: Target, indicator: Indicator, parts: Sequence[Period], base: Fraction, due: Fraction
    ) -> tuple[Fraction, int, int]:
        scope = (target.org, target.cluster, target.tier)
        said = [self.said(indicator.id, scope, part) or Said(None, None, 0, 1, ()) for part in parts]
        reported, expected = sum(one.reported for one in said), sum(one.expected for one in said)
        values = [Fraction(one.value) for one in said if one.value is not None]
        if not values:
            return Fraction(0), reported, expected
        value = sum(values, Fraction(0))
        if target.comparator == ">=":
            attainment = (value - base) / (due - base)
        else:
            attainment = Fraction(1) if value <= due else due / value if due > 0 else Fraction(0)
        attainment = min(max(attainment, Fraction(0)), Fraction(1))
        if reported < expected and (target.comparator != ">=" or indicator.over_organisations not in {"sum", "none"}):
            # Who is silent must not keep a ceiling, nor leave a mean to the better ones.
            attainment *= Fraction(reported, expected)
        return attainment, reported, expected


_LETTERS = {"sum": "S", "mean": "M", "maximum": "X", "weighted-mean": "W", "alone": "O"}


def is_expected(indicator: Indicator, period: Period) -> bool:
    """Whether the indicator is reported for this very period."""
    reporting = indicator.reporting
    if period.start < reporting.first or (reporting.last is not None and period.start > reporting.last):
        return False
    if indicator.january_february == "together" and period.start.month <= 2:
        if indicator.covers == "year-to-date":
            return period.key.endswith("-02")
        return period.key == f"{period.start.year}-01-01/P2M"
    return period.frequency == reporting.frequency


def expected_periods(indicator: Indicator, until: date) -> list[Period]:
    """All that begin by that day, in order."""
    forms = {
        "M": [f"{month:02d}" for month in range(1, 13)],
        "Q": [f"Q{quarter}" for quarter in range(1, 5)],
        "A": [],
    }[str(indicator.reporting.frequency)]
    found = []
    for year in range(indicator.reporting.first.year, until.year + 1):
        keys = [f"{year}-{form}" for form in forms] or [str(year)]
        if indicator.january_february == "together":
            keys.append(f"{year}-01-01/P2M")
        found += [Period.parse(key) for key in keys]
    return sorted(p for p in found if is_expected(indicator, p) and p.start <= until)


def named_by(source: Indicator, period: Period) -> Period:
    """What a source calls January and February together: February of the year to date, or the range of both."""
    if source.january_february == "separate" or (period.start.month, period.end.month) not in {(1, 2), (2, 2)}:
        return period
    to_date = source.covers == "year-to-date"
    return Period.parse(f"{period.start.year}-02" if to_date else f"{period.start.year}-01-01/P2M")


def due_at(indicator: Indicator, period: Period) -> datetime:
    """The end of the day on which the figures are due."""
    return end_of_day(period.end + timedelta(days=indicator.reporting.due_days or 0))


def stretch_of(per: str, period: Period) -> Period:
    """The month, quarter or year that a month belongs to."""
    year, month = period.end.year, period.end.month
    key = {"month": f"{year}-{month:02d}", "quarter": f"{year}-Q{(month + 2) // 3}", "year": f"{year}"}[per]
    return Period.parse(key)


def same_reporters(one: Said, other: Said) -> bool:
    """Whether two values are of the same members, as far as the names of the missing tell."""
    if one.complete and other.complete:
        return True
    told = all(len(said.missing) == said.expected - said.reported for said in (one, other))
    return told and set(one.missing) == set(other.missing)


def of_both(value: Decimal | None, one: Said, other: Said) -> Said:
    """A value of two sides, with the coverage of both."""
    return Said(
        value=value,
        status=None if value is None else weakest([one.status, other.status]),
        reported=one.reported + other.reported,
        expected=one.expected + other.expected,
        missing=union([one.missing, other.missing]),
    )


def in_unit(indicator: Indicator, share: Fraction) -> Decimal:
    """A share as the indicator writes it."""
    return rounded(share * {"%": 100, "‰": 1000}.get(indicator.unit, 1), indicator.decimals)


def rounded(value: Fraction, places: int) -> Decimal:
    """To so many decimals, half to even."""
    return Decimal(round(value * 10**places)).scaleb(-places)


def yearly(factor: Fraction, years: int) -> Fraction:
    """The compound yearly rate of a growth over several years."""
    with localcontext() as context:
        context.prec = 60
        return Fraction((Decimal(factor.numerator) / factor.denominator) ** (Decimal(1) / years)) - 1


def weakest(statuses: Collection[str | None]) -> str | None:
    """The weakest of the statuses; None of none."""
    given = [status for status in statuses if status is not None]
    return max(given, key=STATUSES.index) if given else None


def union(names: Collection[tuple[str, ...]] | Iterator[tuple[str, ...]]) -> tuple[str, ...]:
    """All names once, in order."""
    return tuple(sorted(set(chain.from_iterable(names))))


def _natural(org: str, cluster: str, tier: str) -> list[Scope]:
    return [(org, cluster, TOTAL), (org, TOTAL, TOTAL), (TOTAL, cluster, TOTAL), (TOTAL, TOTAL, tier), CITY]


def _exists(catalogue: Catalogue, org: str, day: date) -> bool:
    organisation = catalogue.organisation[org]
    begun = organisation.valid_from is None or organisation.valid_from <= day
    return begun and (organisation.valid_until is None or day <= organisation.valid_until)


def _inputs(indicator: Indicator) -> Sequence[str]:
    match indicator.derived:
        case Ratio(numerator=numerator, denominator=denominator):
            return numerator, denominator
        case Growth(of=of):
            return (of,)
        case CountAtOrAbove(of=several):
            return several
        case None:
            return ()
