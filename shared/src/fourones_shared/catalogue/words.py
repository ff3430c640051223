"""The words of the catalogue: what a field of it may say. `model` hands them on."""

from __future__ import annotations

from enum import StrEnum


class OrganisationKind(StrEnum):
    """What an organisation is in the city's administration."""

    CITY = "city"
    COUNTY = "county"
    ZONE = "zone"
    DEPARTMENT = "department"


class BandVerdict(StrEnum):
    """The verdicts that a light band can give; each has one light."""

    ON_TRACK = "on_track"
    LAGGING = "lagging"
    OFF_TRACK = "off_track"


class Kind(StrEnum):
    """Whether a value is a level, a quantity of a stretch of time, or a relation of two."""

    STOCK = "stock"
    FLOW = "flow"
    RATIO = "ratio"


class Covers(StrEnum):
    """What one value of a flow covers: its own period, or everything since 1 January."""

    PERIOD = "period"
    YEAR_TO_DATE = "year-to-date"


class Direction(StrEnum):
    """Which way is better."""

    UP = "up"
    DOWN = "down"
    NEITHER = "neither"


class Adding(StrEnum):
    """How values of several members make one."""

    SUM = "sum"
    MEAN = "mean"
    WEIGHTED_MEAN = "weighted-mean"
    MAXIMUM = "maximum"
    NONE = "none"


class Zones(StrEnum):
    """Whether a zone's figure counts beside those of the districts it lies in, or is part of theirs."""

    BESIDE = "beside"
    INSIDE = "inside"


class Doubt(StrEnum):
    """What can be doubtful about a reported value; also the code of the warning."""

    UNIT_SLIP = "unit_slip"
    JUMP = "jump"
    YEAR_TO_DATE_FALLS = "year_to_date_falls"
    YEAR_TO_DATE_CONTRADICTS = "year_to_date_contradicts"
    ZONE_BEYOND_DISTRICT = "zone_beyond_district"
    GROWTH_MISMATCH = "growth_mismatch"


class About(StrEnum):
    """Whom an indicator is about when it is about many."""

    COUNTIES_AND_ZONES = "counties-and-zones"
    CITY = "city"


class Reporter(StrEnum):
    """Who reports when it is not one fixed department."""

    SELF = "self"
    CLUSTER_LEAD = "cluster-lead"
    COMPUTED = "computed"
    """Nobody: it is derived from others."""


class Stands(StrEnum):
    """Which is the city's value where the counties and a department report on it both."""

    COUNTIES = "counties"
    DEPARTMENT = "department"


class GrowthOver(StrEnum):
    """On which earlier value a growth is: 环比, 同比, or the yearly mean since a base period."""

    PREVIOUS = "previous"
    YEAR_BEFORE = "year-before"
    MEAN_ANNUAL = "mean-annual"


class Formula(StrEnum):
    """How growth over several years makes one yearly rate."""

    COMPOUND = "compound"
    ARITHMETIC_MEAN = "arithmetic-mean"


class Comparator(StrEnum):
    """How a value is held against the target value; ABOUT (左右) means at least 90 % of it."""

    AT_LEAST = ">="
    MORE_THAN = ">"
    AT_MOST = "<="
    LESS_THAN = "<"
    ABOUT = "about"


class Cadence(StrEnum):
    """A target that starts again every period of this form."""

    YEAR = "year"
    QUARTER = "quarter"
    MONTH = "month"
    WEEK = "week"


class Method(StrEnum):
    """How a target is judged."""

    PLAN_CURVE = "plan-curve"
    REQUIRED_GROWTH = "required-growth"
    PROJECTION = "projection"
