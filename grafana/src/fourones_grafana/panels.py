"""Panels: one function for each type that is used, with the house's defaults; and how they stand on a board."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from grafana_foundation_sdk.models import barchart as barchart_models
from grafana_foundation_sdk.models import bargauge as bargauge_models
from grafana_foundation_sdk.models import common, dashboard
from grafana_foundation_sdk.models import gauge as gauge_models
from grafana_foundation_sdk.models import heatmap as heatmap_models
from grafana_foundation_sdk.models import stat as stat_models
from grafana_foundation_sdk.models import statetimeline as statetimeline_models
from grafana_foundation_sdk.models import table as table_models
from grafana_foundation_sdk.models import text as text_models
from grafana_foundation_sdk.models import timeseries as timeseries_models
from grafana_foundation_sdk.models.dashboard import DataTransformerConfig, DynamicConfigValue, ThresholdsConfig

from fourones_grafana.looks import steps
from fourones_grafana.queries import Query
from fourones_grafana.sources import MIXED, PROMETHEUS

# What can be had in every Grafana from 10.2.3 to 12 without a plugin.
TYPES: Final = ("stat", "timeseries", "table", "barchart", "bargauge", "state-timeline", "heatmap", "text", "gauge")
# A board whose range reaches into the future shows the state of now all the same.
_NOW: Final = "1h"

# Chinese readers have no use for 7.71 K.
COUNTED: Final = "locale"

Mapping = dashboard.ValueMap | dashboard.SpecialValueMap


@dataclass(frozen=True, slots=True)
class Column:
    """How one column or series differs from the others; `name` as it is after the transformations."""

    name: str
    unit: str | None = None
    decimals: int | None = None
    mappings: Sequence[Mapping] = ()
    thresholds: ThresholdsConfig | None = None
    colour: str | None = None
    width: int | None = None
    cell: str | None = None
    hidden: bool = False
    links: Sequence[tuple[str, str]] = ()
    properties: Sequence[tuple[str, Any]] = ()

    def override(self) -> dashboard.DashboardFieldConfigSourceOverrides:
        """As Grafana has it."""
        given: list[tuple[str, Any]] = [
            ("unit", self.unit),
            ("decimals", self.decimals),
            ("mappings", list(self.mappings) or None),
            ("thresholds", self.thresholds),
            ("color", None if self.colour is None else {"mode": "fixed", "fixedColor": self.colour}),
            ("custom.width", self.width),
            ("custom.cellOptions", _CELLS[self.cell] if self.cell else None),
            # Kept for the links of other columns, and not shown.
            ("custom.hidden", True if self.hidden else None),
            ("links", [{"title": t, "url": u, "targetBlank": _leaves(u)} for t, u in self.links] or None),
            *self.properties,
        ]
        return dashboard.DashboardFieldConfigSourceOverrides(
            matcher=dashboard.MatcherConfig(id_val="byName", options=self.name),
            properties=[DynamicConfigValue(id_val=name, value=value) for name, value in given if value is not None],
        )


@dataclass(frozen=True, slots=True)
class Panel:
    """A panel and what its model cannot say.

    Attributes:
        model: as Grafana has it, without its place.
        queries: what it asks.
        may_be_empty: why it may rightly have nothing to show; None where it must have something.
    """

    model: dashboard.Panel
    queries: Sequence[Query] = ()
    may_be_empty: str | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """Panels beside each other under a heading; widths in twenty-fourths, height in Grafana's lines of 30 pixels."""

    height: int
    panels: Sequence[tuple[int, Panel]] = field(default_factory=tuple)
    heading: str | None = None


def stat(
    title: str,
    *queries: Query,
    description: str,
    unit: str = COUNTED,
    decimals: int | None = None,
    thresholds: ThresholdsConfig | None = None,
    background: bool = False,
    trend: bool = False,
    mappings: Sequence[Mapping] = (),
    columns: Sequence[Column] = (),
    names: bool = False,
    may_be_empty: str | None = None,
) -> Panel:
    """One number, or a few, large enough for a wall."""
    options = stat_models.Options(
        graph_mode=common.BigValueGraphMode.AREA if trend else common.BigValueGraphMode.NONE,
        color_mode=common.BigValueColorMode.BACKGROUND if background else common.BigValueColorMode.VALUE,
        justify_mode=common.BigValueJustifyMode.AUTO,
        text_mode=common.BigValueTextMode.VALUE_AND_NAME if names else common.BigValueTextMode.VALUE,
        # By themselves they show numbers only.
        reduce_options=_LAST_TEXT if unit == "string" else _LAST,
        orientation=common.VizOrientation.AUTO,
    )
    return _panel(
        "stat",
        title,
        queries,
        description,
        options,
        _defaults(unit, decimals, thresholds, mappings),
        columns,
        may_be_empty=may_be_empty,
    )


def gauge(
    title: str, *queries: Query, description: str, unit: str, thresholds: ThresholdsConfig, maximum: float
) -> Panel:
    """A few numbers between 0 and a maximum."""
    options = gauge_models.Options(
        show_threshold_labels=False,
        show_threshold_markers=True,
        reduce_options=_LAST,
        orientation=common.VizOrientation.AUTO,
    )
    defaults = _defaults(unit, 0, thresholds, (), minimum=0, maximum=maximum)
    return _panel("gauge", title, queries, description, options, defaults)


def bars(
    title: str,
    *queries: Query,
    description: str,
    unit: str,
    thresholds: ThresholdsConfig,
    decimals: int | None = None,
    minimum: float | None = 0,
    maximum: float | None = None,
    columns: Sequence[Column] = (),
    transformations: Sequence[DataTransformerConfig] = (),
    may_be_empty: str | None = None,
    from_rows: bool = False,
) -> Panel:
    """A horizontal bar for every series, or for every row of a table."""
    reduce = common.ReduceDataOptions(values=from_rows, calcs=["lastNotNull"], fields="")
    options = bargauge_models.Options(
        display_mode=common.BarGaugeDisplayMode.GRADIENT,
        value_mode=common.BarGaugeValueMode.COLOR,
        show_unfilled=True,
        reduce_options=reduce,
        orientation=common.VizOrientation.HORIZONTAL,
        min_viz_width=8,
        min_viz_height=16,
    )
    defaults = _defaults(unit, decimals, thresholds, (), minimum=minimum, maximum=maximum)
    return _panel(
        "bargauge",
        title,
        queries,
        description,
        options,
        defaults,
        columns,
        transformations=transformations,
        may_be_empty=may_be_empty,
    )


def columns_chart(
    title: str,
    *queries: Query,
    description: str,
    by: str,
    unit: str = COUNTED,
    stacked: bool = True,
    columns: Sequence[Column] = (),
    transformations: Sequence[DataTransformerConfig] = (),
    may_be_empty: str | None = None,
) -> Panel:
    """Bars over a column of words: one for every numeric column, stacked or beside each other."""
    options = barchart_models.Options(
        x_field=by,
        orientation=common.VizOrientation.HORIZONTAL,
        x_tick_label_rotation=0,
        x_tick_label_spacing=0,
        stacking=common.StackingMode.NORMAL if stacked else common.StackingMode.NONE,
        show_value=common.VisibilityMode.AUTO,
        bar_width=0.8,
        group_width=0.8,
        legend=_legend(),
        tooltip=_tooltip(),
        full_highlight=False,
    )
    custom = barchart_models.FieldConfig(
        line_width=0,
        fill_opacity=85,
        gradient_mode=common.GraphGradientMode.NONE,
        axis_placement=common.AxisPlacement.AUTO,
        axis_color_mode=common.AxisColorMode.TEXT,
        axis_centered_zero=False,
    )
    defaults = _defaults(unit, None, None, (), custom=custom, palette=True)
    return _panel(
        "barchart",
        title,
        queries,
        description,
        options,
        defaults,
        columns,
        transformations=transformations,
        may_be_empty=may_be_empty,
    )


def timeseries(
    title: str,
    *queries: Query,
    description: str,
    unit: str = COUNTED,
    decimals: int | None = None,
    stacked: bool = False,
    as_bars: bool = False,
    points: bool = False,
    minimum: float | None = None,
    columns: Sequence[Column] = (),
    may_be_empty: str | None = None,
) -> Panel:
    """Lines or bars over time."""
    options = timeseries_models.Options(legend=_legend(), tooltip=_tooltip(several=True))
    custom = timeseries_models.FieldConfig(
        draw_style=common.GraphDrawStyle.BARS if as_bars else common.GraphDrawStyle.LINE,
        line_interpolation=common.LineInterpolation.LINEAR,
        line_width=0 if as_bars else 2,
        fill_opacity=70 if as_bars else 25 if stacked else 0,
        show_points=common.VisibilityMode.ALWAYS if points else common.VisibilityMode.NEVER,
        point_size=5,
        # Periods lie weeks apart; a period without a value must not tear the line.
        span_nulls=points,
        stacking=common.StackingConfig(
            mode=common.StackingMode.NORMAL if stacked else common.StackingMode.NONE, group="A"
        ),
        axis_placement=common.AxisPlacement.AUTO,
        bar_alignment=common.BarAlignment.BEFORE,
    )
    defaults = _defaults(unit, decimals, None, (), custom=custom, palette=True, minimum=minimum)
    return _panel("timeseries", title, queries, description, options, defaults, columns, may_be_empty=may_be_empty)


def table(
    title: str,
    *queries: Query,
    description: str,
    columns: Sequence[Column] = (),
    transformations: Sequence[DataTransformerConfig] = (),
    sorted_by: tuple[str, bool] | None = None,
    unit: str = COUNTED,
    decimals: int | None = None,
    mappings: Sequence[Mapping] = (),
    thresholds: ThresholdsConfig | None = None,
    cell: str | None = None,
    may_be_empty: str | None = None,
) -> Panel:
    """Rows. `sorted_by` names a column and whether the largest come first."""
    options = table_models.Options(
        show_header=True,
        cell_height=common.TableCellHeight.SM,
        sort_by=[common.TableSortByFieldState(display_name=sorted_by[0], desc=sorted_by[1])] if sorted_by else None,
        footer=common.TableFooterOptions(show=False, reducer=["sum"], count_rows=False),
    )
    custom = {"align": "auto", "inspect": False, "filterable": False, "cellOptions": _CELLS[cell or "text"]}
    defaults = _defaults(unit, decimals, thresholds, mappings, custom=custom)
    return _panel(
        "table",
        title,
        queries,
        description,
        options,
        defaults,
        columns,
        transformations=transformations,
        may_be_empty=may_be_empty,
    )


def states(
    title: str, *queries: Query, description: str, mappings: Sequence[Mapping], may_be_empty: str | None = None
) -> Panel:
    """A band for every series, coloured by its state."""
    options = statetimeline_models.Options(
        merge_values=False,
        show_value=common.VisibilityMode.NEVER,
        row_height=0.85,
        align_value=common.TimelineValueAlignment.LEFT,
        legend=_legend(),
        tooltip=_tooltip(),
    )
    custom = statetimeline_models.FieldConfig(line_width=1, fill_opacity=80)
    defaults = _defaults("none", 0, None, mappings, custom=custom)
    return _panel("state-timeline", title, queries, description, options, defaults, may_be_empty=may_be_empty)


def heatmap(title: str, *queries: Query, description: str, unit: str) -> Panel:
    """How a distribution moves over time, from a histogram's buckets."""
    options = heatmap_models.Options(
        calculate=False,
        color=heatmap_models.HeatmapColorOptions(
            mode=heatmap_models.HeatmapColorMode.SCHEME,
            scheme="Oranges",
            fill="dark-orange",
            scale=heatmap_models.HeatmapColorScale.EXPONENTIAL,
            exponent=0.5,
            steps=64,
            reverse=False,
        ),
        filter_values=heatmap_models.FilterValueRange(le=1e-9),
        rows_frame=heatmap_models.RowsHeatmapOptions(layout=common.HeatmapCellLayout.AUTO),
        cell_gap=1,
        cell_values=heatmap_models.CellValues(unit="short"),
        y_axis=heatmap_models.YAxisConfig(unit=unit, reverse=False, axis_placement=common.AxisPlacement.LEFT),
        legend=heatmap_models.HeatmapLegend(show=True),
        tooltip=heatmap_models.HeatmapTooltip(
            mode=common.TooltipDisplayMode.SINGLE, y_histogram=False, show_color_scale=False
        ),
        exemplars=heatmap_models.ExemplarConfig(color="rgba(255,0,255,0.7)"),
    )
    custom = {
        "scaleDistribution": {"type": "linear"},
        "hideFrom": {"legend": False, "tooltip": False, "viz": False},
    }
    return _panel("heatmap", title, queries, description, options, _defaults("short", None, None, (), custom=custom))


def words(title: str, content: str) -> Panel:
    """Text in Markdown."""
    options = text_models.Options(mode=text_models.TextMode.MARKDOWN, content=content)
    return Panel(dashboard.Panel(type_val="text", title=title, options=options))


# --- transformations --------------------------------------------------------------------------------------------------


def merged() -> DataTransformerConfig:
    """Several tables become one: rows that agree in the columns that all of them have."""
    return DataTransformerConfig(id_val="merge", options={})


def organised(names: dict[str, str], *, without: Sequence[str] = ()) -> DataTransformerConfig:
    """Columns in this order, under these names (an empty one keeps its own); the others of `without` are left out."""
    return DataTransformerConfig(
        id_val="organize",
        options={
            "excludeByName": dict.fromkeys(without, True),
            "indexByName": {name: index for index, name in enumerate(names)},
            "renameByName": {name: new for name, new in names.items() if new},
        },
    )


def ordered(by: str, *, descending: bool = True) -> DataTransformerConfig:
    """Rows by a column."""
    return DataTransformerConfig(id_val="sortBy", options={"fields": {}, "sort": [{"field": by, "desc": descending}]})


def first(rows: int) -> DataTransformerConfig:
    """The first rows only."""
    return DataTransformerConfig(id_val="limit", options={"limitField": rows})


# --- what they share --------------------------------------------------------------------------------------------------

_LAST = common.ReduceDataOptions(values=False, calcs=["lastNotNull"], fields="")
_LAST_TEXT = common.ReduceDataOptions(values=False, calcs=["lastNotNull"], fields="/.*/")
_CELLS: Final[dict[str, dict[str, Any]]] = {
    "text": {"type": "auto"},
    "colour": {"type": "color-background", "mode": "basic"},
    "coloured-text": {"type": "color-text"},
    "bar": {"type": "gauge", "mode": "basic", "valueDisplayMode": "text"},
}


def _panel(  # noqa: PLR0917 - in the order in which every panel has them
    kind: str,
    title: str,
    queries: Sequence[Query],
    description: str,
    options: object,
    defaults: dashboard.FieldConfig,
    columns: Sequence[Column] = (),
    *,
    transformations: Sequence[DataTransformerConfig] = (),
    may_be_empty: str | None = None,
) -> Panel:
    sources = {query.source for query in queries}
    only = next(iter(sources)) if len(sources) == 1 else MIXED
    of_now = all(query.source is PROMETHEUS and query.model.to_json().get("instant") for query in queries)
    model = dashboard.Panel(
        type_val=kind,
        title=title,
        description=description,
        datasource=only.ref,
        targets=[query.model for query in queries],
        options=options,
        field_config=dashboard.FieldConfigSource(
            defaults=defaults, overrides=[column.override() for column in columns]
        ),
        transformations=list(transformations) or None,
        time_from=_NOW if of_now else None,
        hide_time_override=True if of_now else None,
    )
    return Panel(model, tuple(queries), may_be_empty)


def _defaults(
    unit: str,
    decimals: int | None,
    thresholds: ThresholdsConfig | None,
    mappings: Sequence[Mapping],
    *,
    custom: object = None,
    palette: bool = False,
    minimum: float | None = None,
    maximum: float | None = None,
) -> dashboard.FieldConfig:
    mode = dashboard.FieldColorModeId.PALETTE_CLASSIC if palette else dashboard.FieldColorModeId.THRESHOLDS
    return dashboard.FieldConfig(
        unit=unit,
        decimals=decimals,
        min_val=minimum,
        max_val=maximum,
        mappings=list(mappings),
        thresholds=thresholds or steps("text"),
        color=dashboard.FieldColor(mode=mode),
        custom=custom,
    )


def _legend() -> common.VizLegendOptions:
    return common.VizLegendOptions(
        display_mode=common.LegendDisplayMode.LIST,
        placement=common.LegendPlacement.BOTTOM,
        show_legend=True,
        calcs=[],
    )


def _tooltip(*, several: bool = False) -> common.VizTooltipOptions:
    mode = common.TooltipDisplayMode.MULTI if several else common.TooltipDisplayMode.SINGLE
    return common.VizTooltipOptions(mode=mode, sort=common.SortOrder.NONE)


def _leaves(url: str) -> bool:
    return not url.startswith("/d/")
