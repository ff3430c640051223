"""The types of the catalogue. One `Catalogue` is one version, whole and immutable."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from functools import cached_property
from typing import Annotated, Any, Literal, Protocol, Self, TypeVar

import orjson
from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, model_validator
from pydantic_core import PydanticCustomError

from fourones_shared.catalogue.words import (
    About,
    Adding,
    BandVerdict,
    Cadence,
    Comparator,
    Covers,
    Direction,
    Doubt,
    Formula,
    GrowthOver,
    Kind,
    Method,
    OrganisationKind,
    Reporter,
    Stands,
    Zones,
)
from fourones_shared.domain.numbers import MAX_DECIMALS, MAX_INTEGER_DIGITS, format_decimal
from fourones_shared.domain.periods import Frequency, Period

__all__ = [
    "DEFAULT_BANDS",
    "TOTAL",
    "About",
    "Adding",
    "Band",
    "BandVerdict",
    "Baseline",
    "Cadence",
    "Catalogue",
    "CityFigure",
    "Cluster",
    "Comparator",
    "CountAtOrAbove",
    "Covers",
    "Derived",
    "Direction",
    "Doubt",
    "Exact",
    "Formula",
    "Growth",
    "GrowthOver",
    "Id",
    "Indicator",
    "Kind",
    "Method",
    "Milestone",
    "Organisation",
    "OrganisationKind",
    "Peer",
    "PeerValue",
    "Pillar",
    "Plan",
    "Plausibility",
    "Ratio",
    "Reporter",
    "Reporting",
    "Responsible",
    "Source",
    "Stands",
    "Target",
    "Task",
    "Tier",
    "Tolerance",
    "Zones",
]

TOTAL = "_T"
"""The code of a dimension that is not fixed: the total over it (SDMX)."""

Id = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=80)]
# The bounds of `domain.numbers`; they also keep an exponent such as 1e999999 from being spelt out.
Exact = Annotated[
    Decimal,
    Field(max_digits=MAX_INTEGER_DIGITS + MAX_DECIMALS, decimal_places=MAX_DECIMALS, allow_inf_nan=False),
    PlainSerializer(format_decimal, return_type=str),
]


_Declared = TypeVar("_Declared")
# What a later release has added stays out of the document of a catalogue that does not use it: its digest, and with it
# its version, outlives the release.
_Added = Annotated[_Declared | None, Field(exclude_if=lambda value: value is None)]


class _HasId(Protocol):
    @property
    def id(self) -> str: ...


_Identified = TypeVar("_Identified", bound=_HasId)


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    @model_validator(mode="before")
    @classmethod
    def _numbers_are_exact(cls, data: Any) -> Any:
        # YAML reads 14.5 as a binary float; the shortest decimal that prints the same is what was written.
        if isinstance(data, Mapping):
            return {k: repr(v) if isinstance(v, float) else v for k, v in data.items()}
        return data


class Source(_Value):
    """A document that facts of the catalogue come from."""

    id: str
    title: str
    issued: str | None = None
    note: str | None = None


class Organisation(_Value):
    """A body that reports or that figures are about; `id` is its GB/T 2260 code where there is one."""

    id: Id
    name: str
    name_en: str | None = None
    kind: OrganisationKind
    within: tuple[Id, ...] = ()
    valid_from: date | None = None
    valid_until: date | None = None
    synthetic: bool = False
    source: str

    def exists_in(self, period: Period) -> bool:
        """Whether it exists on the period's last day."""
        return (self.valid_from is None or self.valid_from <= period.end) and (
            self.valid_until is None or period.end <= self.valid_until
        )


class Tier(_Value):
    """A class of clusters: advantage, emerging, characteristic."""

    id: Id
    name: str
    name_en: str | None = None
    source: str


class Cluster(_Value):
    """One of the ten innovation clusters with its lead department."""

    id: Id
    name: str
    name_en: str | None = None
    tier: Id
    lead: Id
    source: str


class Pillar(_Value):
    """One of the four ones (四个一) with the duties that the plan gives it."""

    id: Id
    name: str
    name_en: str | None = None
    duties: tuple[str, ...] = ()
    source: str


class Task(_Value):
    """A heading of a plan under which its targets stand."""

    id: Id
    name: str
    name_en: str | None = None


class Band(_Value):
    """A stretch of "share behind the plan curve": over `over` (exclusive) and up to `up_to` (inclusive).

    Shares are fractions: 0.10 is ten points behind, a negative share is ahead of the curve.
    """

    verdict: BandVerdict
    over: Exact | None = None
    up_to: Exact | None = None


DEFAULT_BANDS = (
    Band(verdict=BandVerdict.ON_TRACK, up_to=Decimal(0)),
    Band(verdict=BandVerdict.LAGGING, over=Decimal(0), up_to=Decimal("0.10")),
    Band(verdict=BandVerdict.OFF_TRACK, over=Decimal("0.10")),
)


class Plan(_Value):
    """A document's programme: tasks and targets between two days.

    Attributes:
        assumed: which of these the source does not say.
        bands: which share behind the plan curve gives which light.
        coordinated_by: the body that coordinates it, Chinese.
        county_duties: what it asks of counties and zones, Chinese.
    """

    id: Id
    name: str
    name_en: str | None = None
    start: date
    end: date
    assumed: tuple[str, ...] = ()
    tasks: tuple[Task, ...] = ()
    bands: tuple[Band, ...] = DEFAULT_BANDS
    coordinated_by: str | None = None
    county_duties: tuple[str, ...] = ()
    synthetic: bool = False
    source: str


class CityFigure(_Value):
    """A department's figure about the city beside those of the counties, for the same clusters and periods.

    Attributes:
        by: the department.
        stands: which of the two is the city's value; the other is shown beside it, with the difference.
    """

    by: Id
    stands: Stands


class Reporting(_Value):
    """Who reports an indicator, how often, from when, and by when.

    Attributes:
        about: whom the figures are about: every county and zone, the city, or the named organisations.
        by: `self`, `cluster-lead`, or a department's id: the one duty-holder of each figure; `computed` for nobody.
        city: a department's figure about the city beside the counties'.
        frequency: the form of period; `R` means the single range in `period`.
        period: the one period, for a figure that is reported once.
        first: the first day from which periods are expected.
        last: the last day, once the catalogue ends the duty.
        due_days: days after the period's end; the figure is due at the end of that day.
        due_working_days: the same in working days of the Chinese calendar; exactly one of the two is given.
        lock_days: days after the due date at whose end the period is locked; never, when absent.
        may_not_apply: organisations that may report status M.
        assumed: which of these the source does not say.
    """

    about: About | tuple[Id, ...]
    by: Annotated[Reporter | Id, Field(union_mode="left_to_right")] = Reporter.SELF
    city: _Added[CityFigure] = None
    frequency: Frequency
    period: str | None = None
    first: date
    last: date | None = None
    due_days: int | None = Field(default=None, ge=0, le=400)
    due_working_days: int | None = Field(default=None, ge=1, le=60)
    lock_days: int | None = Field(default=None, ge=0, le=4000)
    may_not_apply: tuple[Id, ...] = ()
    assumed: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _due_in_days_of_one_kind(self) -> Self:
        if (self.due_days is None) == (self.due_working_days is None):
            raise PydanticCustomError("due_in_one_way", "give exactly one of `due_days` and `due_working_days`")
        return self


class Plausibility(_Value):
    """What is held against a value beyond its bounds, to warn of slips.

    Attributes:
        justify: doubts that the reporter must answer before the figure is accepted.
        ignore: doubts that are not raised, for an indicator whose nature they do not fit.
        months: the indicator whose single months this year-to-date value is the sum of.
        growth_of: the indicator whose growth this one reports.
        growth_over: on which period the growth is.
    """

    justify: tuple[Doubt, ...] = ()
    ignore: tuple[Doubt, ...] = ()
    months: Id | None = None
    growth_of: Id | None = None
    growth_over: Literal["year-before", "previous"] = "year-before"


class Ratio(_Value):
    """One indicator's value divided by another's, of the same scope and period."""

    kind: Literal["ratio"]
    numerator: Id
    denominator: Id


class Growth(_Value):
    """How much an indicator has grown, of the same scope.

    Attributes:
        over: on the previous period, on the same one a year before, or a year in the mean since `since`.
        since: the base period of a mean annual growth.
        formula: how its yearly rate is reckoned: (v/v0)^(1/n) - 1, or (v/v0 - 1)/n.
    """

    kind: Literal["growth"]
    of: Id
    over: GrowthOver
    since: str | None = None
    formula: Formula | None = None


class CountAtOrAbove(_Value):
    """How many clusters reach a threshold city-wide, each by the one indicator of the list that it is reported in."""

    kind: Literal["count-at-or-above"]
    of: Annotated[tuple[Id, ...], Field(min_length=1)]
    threshold: Exact


Derived = Annotated[Ratio | Growth | CountAtOrAbove, Field(discriminator="kind")]


class Indicator(_Value):
    """What is measured.

    Attributes:
        measure: the quantity behind the unit (`industry-scale`, `value-added`, `count`, …): values of different
            measures are never added, even in the same unit.
        clusters: the clusters it is reported for; empty for one without clusters.
        decimals: most decimal places a value may have.
        minimum, maximum: bounds of a value, inclusive.
        january_february: whether those two months are reported together as one.
        zones: whether a zone's figure counts beside its districts' or is part of them.
        weighted_by: the indicator whose figure of the same organisation, cluster and period weighs in a weighted mean.
        derived: what it is computed from. One that is reported too (`by` is not `computed`) keeps both: the computed
            value stands when all it needs is complete, else the reported one.
    """

    id: Id
    name: str
    name_en: str
    unit: str
    measure: Id
    kind: Kind
    covers: Covers = Covers.PERIOD
    direction: Direction = Direction.UP
    decimals: int = Field(default=4, ge=0, le=10)
    minimum: Exact | None = None
    maximum: Exact | None = None
    clusters: tuple[Id, ...] = ()
    pillar: Id | None = None
    plan: Id | None = None
    over_organisations: Adding = Adding.NONE
    over_clusters: Adding = Adding.NONE
    january_february: Literal["together", "separate"] = "separate"
    zones: Zones = Zones.BESIDE
    weighted_by: _Added[Id] = None
    derived: _Added[Derived] = None
    plausibility: Plausibility = Plausibility()
    reporting: Reporting
    note: str | None = None
    synthetic: bool = False
    source: str

    @property
    def is_computed(self) -> bool:
        """Whether nobody reports it, so that it has neither duties nor figures."""
        return self.reporting.by is Reporter.COMPUTED

    @property
    def inputs(self) -> tuple[str, ...]:
        """The indicators that a derived one is computed from, as it lists them; empty for any other."""
        match self.derived:
            case Ratio(numerator=numerator, denominator=denominator):
                return numerator, denominator
            case Growth(of=of):
                return (of,)
            case CountAtOrAbove(of=several):
                return several
            case None:
                return ()


class Baseline(_Value):
    """Where the way to a target begins: the value at the end of the period."""

    period: str
    value: Exact


class Milestone(_Value):
    """A point of a plan curve: the share of the way due by the end of a period (0.45 is 45 %)."""

    period: str
    share: Exact


class Responsible(_Value):
    """Who answers: one lead where the source names one, else several as equals."""

    lead: Id | None = None
    equal: tuple[Id, ...] = ()

    @property
    def departments(self) -> tuple[str, ...]:
        """All who answer, the lead first."""
        return ((self.lead,) if self.lead else ()) + tuple(d for d in self.equal if d != self.lead)


class Tolerance(_Value):
    """How far from its value a target that is "about" it may be kept, on either side, as shares of the value."""

    below: Exact
    above: Exact


class Target(_Value):
    """A value promised of an indicator, by the end of a period (`by`) or anew every period (`per`).

    Attributes:
        org, cluster, tier: the roll-up that is judged; `_T` is the total.
        total_of: targets whose values this one's value is the sum of; checked, so that what must not be added
            never is.
        band: for a comparator "about" that is missed on either side; without it more is never too much.
        curve: milestones of the path; empty means a straight line from the baseline.
        assumed: which of these the source does not say.
        remark: what a reader of the verdict must know, Chinese.
    """

    id: Id
    plan: Id
    task: Id | None = None
    pillar: Id | None = None
    indicator: Id
    name: str
    name_en: str | None = None
    org: str = TOTAL
    cluster: str = TOTAL
    tier: str = TOTAL
    value: Exact
    comparator: Comparator = Comparator.AT_LEAST
    unit: str
    by: str | None = None
    per: Cadence | None = None
    baseline: Baseline | None = None
    band: _Added[Tolerance] = None
    curve: tuple[Milestone, ...] = ()
    method: Method = Method.PLAN_CURVE
    responsible: Responsible
    total_of: tuple[Id, ...] = ()
    weight: Exact = Decimal(1)
    assumed: tuple[str, ...] = ()
    remark: str | None = None
    synthetic: bool = False
    source: str

    @model_validator(mode="after")
    def _due_once_or_every_period(self) -> Self:
        if (self.by is None) == (self.per is None):
            raise ValueError("give exactly one of `by` (a period) and `per` (year, quarter, month, week)")
        return self


class PeerValue(_Value):
    """A value of a peer at a period."""

    period: str
    value: Exact


class Peer(_Value):
    """A reference value of another city's zone: shown beside Xuzhou's, never rolled into it.

    Attributes:
        claimed_mean_annual_growth: a fraction, as its source prints it; comparable only with its formula.
        claimed_growth_formula: the formula that yields it from the two values; absent where neither does.
        claimed_share_of_city: a fraction.
    """

    id: Id
    zone: str
    indicator: str
    unit: str
    start: PeerValue | None = None
    end: PeerValue
    qualifier: str | None = None
    claimed_mean_annual_growth: Exact | None = None
    claimed_growth_formula: Literal["compound", "arithmetic-mean"] | None = None
    claimed_share_of_city: Exact | None = None
    note: str | None = None
    source: str


class Catalogue(_Value):
    """One version of everything above. Ids are unique within each list."""

    sources: tuple[Source, ...] = ()
    organisations: tuple[Organisation, ...] = ()
    tiers: tuple[Tier, ...] = ()
    clusters: tuple[Cluster, ...] = ()
    pillars: tuple[Pillar, ...] = ()
    plans: tuple[Plan, ...] = ()
    indicators: tuple[Indicator, ...] = ()
    targets: tuple[Target, ...] = ()
    peers: tuple[Peer, ...] = ()

    @cached_property
    def organisation(self) -> dict[str, Organisation]:
        """Organisations by id."""
        return _by_id(self.organisations)

    @cached_property
    def cluster(self) -> dict[str, Cluster]:
        """Clusters by id."""
        return _by_id(self.clusters)

    @cached_property
    def plan(self) -> dict[str, Plan]:
        """Plans by id."""
        return _by_id(self.plans)

    @cached_property
    def indicator(self) -> dict[str, Indicator]:
        """Indicators by id."""
        return _by_id(self.indicators)

    @cached_property
    def target(self) -> dict[str, Target]:
        """Targets by id."""
        return _by_id(self.targets)

    @cached_property
    def city(self) -> Organisation:
        """The one organisation of kind city."""
        return next(o for o in self.organisations if o.kind is OrganisationKind.CITY)

    @cached_property
    def counties_and_zones(self) -> tuple[Organisation, ...]:
        """The organisations that report on themselves; synthetic ones stay apart, their indicators name them."""
        kinds = {OrganisationKind.COUNTY, OrganisationKind.ZONE}
        return tuple(o for o in self.organisations if o.kind in kinds and not o.synthetic)

    @cached_property
    def document(self) -> bytes:
        """Its canonical JSON (keys sorted), the same bytes for the same content."""
        return orjson.dumps(self.model_dump(mode="json"), option=orjson.OPT_SORT_KEYS)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the document: tells whether an applied catalogue is a new version."""
        return hashlib.sha256(self.document).hexdigest()


def _by_id(items: Iterable[_Identified]) -> dict[str, _Identified]:
    return {item.id: item for item in items}
