"""Variables and macros, put into questions as Grafana does. Source: its documentation, "Variable syntax", "Macros"."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

# `$1` is a group of PromQL's label_replace, and Grafana leaves it alone.
_VARIABLE = re.compile(r"\$\{(?P<braced>\w+)(?::(?P<format>\w+))?\}|\$(?P<plain>[A-Za-z]\w*)")
_TIME_FILTER = re.compile(r"\$__timeFilter\((?P<column>(?:[^()]|\([^()]*\))*)\)")
# As provisioned.
_SCRAPE_S = 15
# So many points of a line are enough to tell whether there is one.
_POINTS = 120
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_MONTHS = {"M": 30, "y": 365}


@dataclass(frozen=True, slots=True)
class Choice:
    """What is chosen of a variable: what is shown, and one or several values that are asked with."""

    text: str
    values: tuple[str, ...]
    several: bool = False

    @property
    def as_sql(self) -> str:
        """As the format `sqlstring` has it."""
        return ",".join("'" + value.replace("'", "''") + "'" for value in self.values)

    @property
    def as_regex(self) -> str:
        """As a PromQL matcher takes it."""
        escaped = [re.sub(r"([\\^$*+?.()|\[\]{}])", r"\\\\\1", value) for value in self.values]
        return escaped[0] if len(escaped) == 1 else "(" + "|".join(escaped) + ")"


Choices = Mapping[str, Choice]


@dataclass(frozen=True, slots=True)
class Range:
    """A board's time range."""

    since: datetime
    until: datetime

    @property
    def step_s(self) -> int:
        """Seconds between two points of a line."""
        return max(_SCRAPE_S, round((self.until - self.since).total_seconds() / _POINTS))

    @property
    def rate_interval_s(self) -> int:
        """What a rate is taken over, so that every increase is in one point: `$__rate_interval`."""
        return max(self.step_s + _SCRAPE_S, 4 * _SCRAPE_S)

    @classmethod
    def of(cls, since: str, until: str, now: datetime) -> Range:
        """From Grafana's words, such as `now-2y` and `now+6M`."""
        return cls(_moment(since, now), _moment(until, now))


def into_promql(expr: str, choices: Choices, span: Range) -> str:
    """A PromQL expression as it is put."""
    seconds = int((span.until - span.since).total_seconds())
    given = expr.replace("$__rate_interval", f"{span.rate_interval_s}s").replace("$__range", f"{seconds}s")
    return _VARIABLE.sub(lambda found: _chosen(found, choices).as_regex, given)


def into_sql(sql: str, choices: Choices, span: Range) -> str:
    """An SQL query as it is put."""
    since, until = _literal(span.since), _literal(span.until)
    given = _TIME_FILTER.sub(lambda found: f"{found['column']} BETWEEN {since} AND {until}", sql)
    given = given.replace("$__timeFrom()", since).replace("$__timeTo()", until)
    return _VARIABLE.sub(lambda found: _in_sql(found, choices), given)


def into_text(text: str, choices: Choices) -> str:
    """A title as it is shown."""
    return _VARIABLE.sub(lambda found: _chosen(found, choices).text, text)


def names_in(text: str) -> set[str]:
    """The variables that a text names, without Grafana's own."""
    names = {found["braced"] or found["plain"] for found in _VARIABLE.finditer(text)}
    return {name for name in names if not name.startswith("__")}


def _in_sql(found: re.Match[str], choices: Choices) -> str:
    choice = _chosen(found, choices)
    return choice.as_sql if found["format"] == "sqlstring" else choice.text


def _chosen(found: re.Match[str], choices: Choices) -> Choice:
    return choices[found["braced"] or found["plain"]]


def _literal(moment: datetime) -> str:
    return f"'{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}'"


def _moment(words: str, now: datetime) -> datetime:
    found = re.fullmatch(r"now(?:(?P<sign>[+-])(?P<number>\d+)(?P<unit>[smhdwMy]))?", words)
    if found is None:
        raise ValueError(f"no time of Grafana's that is known here: {words}")
    if found["number"] is None:
        return now
    number = int(found["number"]) * (1 if found["sign"] == "+" else -1)
    unit = found["unit"]
    return now + (timedelta(days=number * _MONTHS[unit]) if unit in _MONTHS else timedelta(**{_UNITS[unit]: number}))
