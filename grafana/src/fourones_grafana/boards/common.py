"""What several boards show."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from fourones_grafana import looks
from fourones_grafana.panels import Column, Panel, first, merged, ordered, organised, stat, table
from fourones_grafana.queries import now, rows

OVERVIEW, CLUSTER, COUNTY = "fourones-overview", "fourones-cluster", "fourones-county"
DEPARTMENT, QUALITY, SYSTEM = "fourones-department", "fourones-quality", "fourones-system"

LIGHT: Final = "target:fourones_target_light:worst"
DEPARTMENT_LIGHT: Final = "department_target:fourones_target_light:worst"

EXPLAINED: Final = ("研判依据（接口）", "${explanations}${__data.fields.target}")
TO_CLUSTER: Final = ("打开集群看板", f"/d/{CLUSTER}?var-cluster=${{__data.fields.cluster}}")
TO_COUNTY: Final = ("打开县区看板", f"/d/{COUNTY}?var-county=${{__data.fields.org}}&${{__url_time_range}}")

_LETTERS = "ABCDEFGH"


def light_counts(series: str, labels: str) -> Iterator[Panel]:
    """How many targets are red, yellow, green and grey; zero where there are none."""
    for light, word in looks.LIGHT_WORDS.items():
        yield stat(
            f"{word}灯",
            now(f'sum({series}{{light="{light}",{labels}}}) or vector(0)'),
            description=f"亮{word}灯的目标数，当前状态。",
            decimals=0,
            thresholds=looks.steps(looks.LIGHT_COLOURS[light]),
            background=True,
        )


def light_columns() -> list[Column]:
    """The four columns of counted lights in their colours."""
    return [Column(word, colour=looks.LIGHT_COLOURS[light], decimals=0) for light, word in looks.LIGHT_WORDS.items()]


def counted_by(label: str, series: str, labels: str) -> list[str]:
    """PromQL that counts targets by a label, one expression for each light; each has every value of the label."""
    return [
        f'sum by ({label}) ({series}{{light="{light}",{labels}}}) or sum by ({label}) ({series}{{{labels}}}) * 0'
        for light in looks.LIGHT_WORDS
    ]


def targets_table(
    title: str,
    series: str,
    labels: str,
    *,
    description: str,
    most: int | None = None,
    may_be_empty: str | None = None,
) -> Panel:
    """Targets with their light, how far they are, what is lacking, since when: the most months behind first."""
    # Every query answers about the same targets, so that a row never stands without its name.
    chosen = f"{series}{{{labels}}}"
    measures = (
        "target:fourones_target_months_behind:max",
        "target:fourones_target_gap:max",
        "target:fourones_target_attainment_ratio:max",
        "target:fourones_indicator_value:max",
        "target:fourones_target_due_value:max",
        "target:fourones_rollup_coverage_ratio:max",
    )
    named = "target, target_name, plan_name, cluster, cluster_name, unit, light"
    # What has no such measure is there without a number: a column must not come and go with the data.
    queries = [
        rows(f"max by ({named}) ({chosen})"),
        *(
            rows(f"max by (target) ({measure}) and on (target) {chosen} or max by (target) ({chosen}) * NaN", letter)
            for measure, letter in zip(measures, _LETTERS[1:], strict=False)
        ),
    ]
    names = {
        "light": "灯",
        "target_name": "目标",
        "plan_name": "方案",
        "cluster_name": "集群",
        "Value #B": "落后月数",
        "Value #C": "差距",
        "unit": "单位",
        "Value #D": "完成进度",
        "Value #E": "完成值",
        "Value #F": "应达值",
        "Value #G": "覆盖率",
        "target": "",
        "cluster": "",
    }
    nothing = (looks.nothing("—"),)
    return table(
        title,
        *queries,
        description=description,
        transformations=[
            merged(),
            ordered("Value #B"),
            *([first(most)] if most else []),
            organised(names, without=("Time", "Value #A")),
        ],
        columns=[
            Column("灯", mappings=(looks.lights(),), cell="colour", width=50),
            Column("目标", links=(EXPLAINED,), width=300),
            Column("集群", links=(TO_CLUSTER,)),
            Column("落后月数", decimals=1, mappings=nothing, thresholds=looks.steps("text", (3, "orange"), (6, "red"))),
            Column("差距", decimals=2, mappings=nothing),
            Column("完成进度", unit="percentunit", decimals=1, mappings=nothing),
            Column("完成值", decimals=2, mappings=nothing),
            Column("应达值", decimals=2, mappings=nothing),
            Column("覆盖率", unit="percentunit", decimals=0, mappings=nothing),
            Column("target", hidden=True),
            Column("cluster", hidden=True),
        ],
        may_be_empty=may_be_empty,
    )


def problem_columns() -> list[Column]:
    """The columns of a list of problems, as `PROBLEM_LIST` names them."""
    return [
        Column("状态", mappings=(looks.words(looks.PROBLEM_STATES),), cell="colour", width=80),
        Column("层级", mappings=(looks.words(looks.LEVELS),), width=60),
        Column("已立项天数", decimals=1),
        Column("逾期天数", decimals=0, thresholds=looks.steps("text", (1, "red")), cell="coloured-text"),
        Column("办理期限", unit="dateTimeAsIso"),
        Column("问题", width=320),
    ]


PROBLEM_LIST: Final = """
SELECT problem_id AS "编号", state AS "状态", title AS "问题", cluster_name AS "集群", org_name AS "县区",
  department_names AS "责任部门", level AS "层级", days_open AS "已立项天数",
  (extract(epoch FROM due::timestamp AT TIME ZONE 'Asia/Shanghai') * 1000)::double precision AS "办理期限",
  days_late AS "逾期天数"
FROM boards.problem
"""
