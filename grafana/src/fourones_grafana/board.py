"""A board: its panels in rows, its choices, its links; and how it becomes Grafana's model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from grafana_foundation_sdk.models import dashboard

from fourones_grafana.panels import Panel, Row

TAG: Final = "fourones"
FOLDER: Final = "四个一"
FOLDER_UID: Final = "fourones"
TIME_ZONE: Final = "Asia/Shanghai"
# Of Grafana 10.4: an older one than the newest is migrated by each release, a newer one is not read back.
SCHEMA_VERSION: Final = 39
COLUMNS: Final = 24


@dataclass(frozen=True, slots=True)
class Board:
    """One board.

    Attributes:
        since, until: the time range it opens with.
        refresh: how often it asks again.
    """

    uid: str
    title: str
    description: str
    rows: Sequence[Row]
    variables: Sequence[dashboard.VariableModel]
    since: str
    until: str = "now"
    refresh: str = "1m"

    def panels(self) -> Iterator[Panel]:
        """All panels, as they are read."""
        for row in self.rows:
            for _, panel in row.panels:
                yield panel

    def model(self) -> dashboard.Dashboard:
        """As Grafana has it."""
        return dashboard.Dashboard(
            uid=self.uid,
            title=self.title,
            description=self.description,
            tags=[TAG],
            timezone=TIME_ZONE,
            editable=False,
            graph_tooltip=dashboard.DashboardCursorSync.CROSSHAIR,
            time=dashboard.DashboardDashboardTime(from_val=self.since, to=self.until),
            timepicker=dashboard.TimePickerConfig(),
            fiscal_year_start_month=0,
            refresh=self.refresh,
            schema_version=SCHEMA_VERSION,
            week_start="monday",
            panels=list(self._placed()),
            templating=dashboard.DashboardDashboardTemplating(list_val=list(self.variables)),
            annotations=dashboard.AnnotationContainer(list_val=[]),
            links=[_TO_THE_OTHERS],
        )

    def _placed(self) -> Iterator[dashboard.Panel | dashboard.RowPanel]:
        number, line = 0, 0
        for row in self.rows:
            if row.heading is not None:
                number += 1
                place = dashboard.GridPos(h=1, w=COLUMNS, x=0, y=line)
                yield dashboard.RowPanel(title=row.heading, collapsed=False, id_val=number, grid_pos=place, panels=[])
                line += 1
            left = 0
            for width, panel in row.panels:
                number += 1
                panel.model.id_val = number
                panel.model.grid_pos = dashboard.GridPos(h=row.height, w=width, x=left, y=line)
                left += width
                yield panel.model
            line += row.height


# Every board's choices travel along; the time range does not: a wall shows days, a cluster years.
_TO_THE_OTHERS = dashboard.DashboardLink(
    title="四个一看板",
    type_val=dashboard.DashboardLinkType.DASHBOARDS,
    tags=[TAG],
    as_dropdown=False,
    include_vars=True,
    keep_time=False,
    target_blank=False,
    icon="external link",
    tooltip="",
)
