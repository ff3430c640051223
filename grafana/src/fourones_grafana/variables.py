"""The choices on top of a board. Their values travel with the links from board to board."""

from __future__ import annotations

from collections.abc import Mapping

from grafana_foundation_sdk.models import dashboard
from grafana_foundation_sdk.models.dashboard import VariableModel, VariableOption

from fourones_grafana.sources import AGGREGATION, ALERTING, PROMETHEUS, Source

_ALL = VariableOption(selected=True, text=["All"], value=["$__all"])


def chosen(
    name: str, label: str, source: Source, sql: str, *, several: bool = False, hidden: bool = False
) -> VariableModel:
    """Choices out of a database: a column `__text` that is shown and a column `__value` that is asked with."""
    return VariableModel(
        type_val=dashboard.VariableType.QUERY,
        name=name,
        label=label,
        hide=dashboard.VariableHide.HIDE_VARIABLE if hidden else dashboard.VariableHide.DONT_HIDE,
        datasource=source.ref,
        query=" ".join(sql.split()),
        # Another catalogue or another choice above may change the choices.
        refresh=dashboard.VariableRefresh.ON_TIME_RANGE_CHANGED,
        sort=dashboard.VariableSort.DISABLED,
        multi=several,
        include_all=several,
        current=_ALL if several else None,
    )


def labelled(name: str, label: str, metric: str, of: str) -> VariableModel:
    """The values that a label has on a metric, several at a time."""
    return VariableModel(
        type_val=dashboard.VariableType.QUERY,
        name=name,
        label=label,
        hide=dashboard.VariableHide.DONT_HIDE,
        datasource=PROMETHEUS.ref,
        query={
            "qryType": 1,
            "query": f"label_values({metric},{of})",
            "refId": "PrometheusVariableQueryEditor-VariableQuery",
        },
        refresh=dashboard.VariableRefresh.ON_TIME_RANGE_CHANGED,
        sort=dashboard.VariableSort.ALPHABETICAL_ASC,
        multi=True,
        include_all=True,
        current=_ALL,
    )


def listed(name: str, label: str, choices: Mapping[str, str], default: str) -> VariableModel:
    """A fixed list: what is shown by what is asked with."""
    return VariableModel(
        type_val=dashboard.VariableType.CUSTOM,
        name=name,
        label=label,
        hide=dashboard.VariableHide.DONT_HIDE,
        query=", ".join(f"{text} : {value}" for value, text in choices.items()),
        options=[VariableOption(selected=value == default, text=text, value=value) for value, text in choices.items()],
        current=VariableOption(selected=True, text=choices[default], value=default),
    )


def explanations(address: str) -> VariableModel:
    """Where the alerting service explains a target; each city has its own, and `generate --explanations` sets it."""
    return VariableModel(
        type_val=dashboard.VariableType.CONSTANT,
        name="explanations",
        hide=dashboard.VariableHide.HIDE_VARIABLE,
        query=address,
        options=[VariableOption(selected=True, text=address, value=address)],
        current=VariableOption(selected=True, text=address, value=address),
        skip_url_sync=True,
    )


def plan() -> VariableModel:
    """Plans, several at a time."""
    return chosen(
        "plan",
        "方案",
        ALERTING,
        "SELECT plan_name AS __text, plan AS __value FROM boards.plan p"
        " WHERE EXISTS (SELECT 1 FROM boards.assessment a WHERE a.plan = p.plan) ORDER BY position",
        several=True,
    )


def cluster() -> VariableModel:
    """One of the ten clusters."""
    return chosen(
        "cluster",
        "集群",
        ALERTING,
        "SELECT cluster_name AS __text, cluster AS __value FROM boards.cluster ORDER BY position",
    )


def county() -> VariableModel:
    """One of the counties and zones."""
    return chosen(
        "county",
        "县区",
        AGGREGATION,
        "SELECT org_name AS __text, org AS __value FROM boards.organisation"
        " WHERE kind IN ('county', 'zone') AND NOT synthetic ORDER BY kind, org",
    )


def department() -> VariableModel:
    """One of the departments that answer for a target."""
    return chosen(
        "department",
        "牵头部门",
        ALERTING,
        "SELECT org_name AS __text, org AS __value FROM boards.organisation o"
        " WHERE EXISTS (SELECT 1 FROM boards.assessment a WHERE o.org = ANY (a.departments)) ORDER BY org",
    )


def period_type() -> VariableModel:
    """By which form of period the pillars are scored."""
    return listed("period_type", "四个一周期", {"month": "月度", "quarter": "季度", "year": "年度"}, "quarter")
