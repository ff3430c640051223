"""The questions of a panel: PromQL and SQL, as Grafana's data sources take them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from textwrap import dedent
from typing import Any, Self

from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models import prometheus
from grafana_foundation_sdk.models.dashboard import DataSourceRef

from fourones_grafana.sources import PROMETHEUS, Source


class SqlFormat(StrEnum):
    """How an answer becomes frames: rows as they are, or a series for every `metric`."""

    TABLE = "table"
    TIME_SERIES = "time_series"


@dataclass
class SqlQuery(Dataquery):
    """A query of Grafana's PostgreSQL data source, which the SDK has no model of."""

    ref_id: str
    datasource: DataSourceRef
    raw_sql: str
    format: SqlFormat

    def to_json(self) -> dict[str, object]:
        """As Grafana stores it."""
        return {
            "refId": self.ref_id,
            "datasource": self.datasource,
            "editorMode": "code",
            "format": self.format.value,
            "rawQuery": True,
            "rawSql": self.raw_sql,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Read what `to_json` wrote."""
        source = DataSourceRef.from_json(data["datasource"])
        return cls(data["refId"], source, data["rawSql"], SqlFormat(data["format"]))


@dataclass(frozen=True, slots=True)
class Query:
    """A question and whom it is put to."""

    source: Source
    model: prometheus.Dataquery | SqlQuery

    @property
    def ref(self) -> str:
        """The letter by which the panel knows it."""
        return self.model.ref_id


def now(expr: str, ref: str = "A", *, legend: str = "__auto") -> Query:
    """One value for every series, at the end of the board's time range: for stats, gauges and bars."""
    return _prometheus(expr, ref, prometheus.PromQueryFormat.TIME_SERIES, legend, instant=True)


def rows(expr: str, ref: str = "A") -> Query:
    """The same as a table: a row for every series, a column for every label."""
    return _prometheus(expr, ref, prometheus.PromQueryFormat.TABLE, "__auto", instant=True)


def over_time(expr: str, ref: str = "A", *, legend: str = "__auto") -> Query:
    """A line for every series."""
    return _prometheus(expr, ref, prometheus.PromQueryFormat.TIME_SERIES, legend, instant=False)


def buckets(expr: str, ref: str = "A", *, exemplars: bool = False) -> Query:
    """A histogram's buckets over time; with its exemplars, each of which leads to a trace."""
    return _prometheus(expr, ref, prometheus.PromQueryFormat.HEATMAP, "{{le}}", instant=False, exemplars=exemplars)


def table(source: Source, sql: str, ref: str = "A") -> Query:
    """The rows of an SQL query."""
    return Query(source, SqlQuery(ref, source.ref, dedent(sql).strip(), SqlFormat.TABLE))


def series(source: Source, sql: str, ref: str = "A") -> Query:
    """A line for every numeric column of an SQL query, or for every value of its column `metric`; ordered by `time`."""
    return Query(source, SqlQuery(ref, source.ref, dedent(sql).strip(), SqlFormat.TIME_SERIES))


def _prometheus(
    expr: str, ref: str, form: prometheus.PromQueryFormat, legend: str, *, instant: bool, exemplars: bool = False
) -> Query:
    model = prometheus.Dataquery(
        expr=" ".join(expr.split()),
        instant=instant,
        range_val=not instant,
        exemplar=exemplars,
        editor_mode=prometheus.QueryEditorMode.CODE,
        format_val=form,
        legend_format=legend,
        ref_id=ref,
        datasource=PROMETHEUS.ref,
    )
    return Query(PROMETHEUS, model)
