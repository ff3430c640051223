"""Where every target stands, as a table that fits 120 columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from itertools import groupby
from typing import Any, Literal

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table
from rich.text import Text

from fourones.talk import Talk
from fourones_shared.catalogue.model import Catalogue

Assessment = Mapping[str, Any]
Justify = Literal["left", "right"]

# Narrower than this a reason says nothing; a narrower screen then cuts the line.
_LEAST_REMARK = 10

_LIGHTS = {
    "green": ("绿", "green", "bold green"),
    "yellow": ("黄", "yellow", "bold yellow"),
    "red": ("红", "red", "bold red"),
    "grey": ("灰", "grey", "bright_black"),
}
_VERDICTS = {
    "achieved": "已达成",
    "on_track": "按序时",
    "lagging": "滞后",
    "off_track": "偏离",
    "deteriorating": "倒退",
    "no_data": "无数据",
    "not_assessable": "暂不研判",
}


def table_of(assessments: Iterable[Assessment], catalogue: Catalogue | None, talk: Talk) -> Group:
    """A line for every target under a line for its plan; names come from the catalogue where there is one."""
    parts: list[Table | Text] = [_columns(talk, header=True)]
    for plan, items in groupby(in_order(assessments, catalogue), key=lambda item: _plan(item, catalogue)):
        parts.append(Text(_plan_name(plan, catalogue), style="bold"))
        table = _columns(talk, header=False)
        for item in items:
            table.add_row(*_row(item, catalogue, talk))
        parts.append(table)
    return Group(*parts)


def _columns(talk: Talk, *, header: bool) -> Table:
    table = Table(
        box=SIMPLE_HEAD, show_header=header, show_edge=False, pad_edge=False, padding=(0, 0), header_style="bold"
    )
    english = talk.language == "en"
    columns: tuple[tuple[str, str, int, Justify], ...] = (
        ("灯", "light", 6 if english else 2, "left"),
        ("目标", "target", 28, "left"),
        ("集群", "cluster", 18, "left"),
        ("实际/序时/目标", "value/due/target", 23, "right"),
        ("研判", "verdict", 14 if english else 8, "left"),
        ("报告期", "period", 8, "left"),
    )
    # The box leaves one column of space after each; what is left of the screen goes to the reason.
    remark = talk.out.width - sum(width + 1 for _, _, width, _ in columns)
    for zh, en, width, justify in (*columns, ("说明", "remark", max(remark, _LEAST_REMARK), "left")):
        table.add_column(talk.say(zh, en), no_wrap=True, overflow="ellipsis", width=width, justify=justify)
    return table


def counts_line(assessments: Sequence[Assessment], talk: Talk) -> str:
    """How many of each light."""
    counts = Counter(str(item.get("light")) for item in assessments)
    if talk.language == "en":
        lights = "  ".join(f"{light} {counts[light]}" for light in _LIGHTS)
        return f"{len(assessments)} targets: {lights}"
    lights = " ".join(f"{_LIGHTS[light][0]} {counts[light]}" for light in _LIGHTS)
    return f"共 {len(assessments)} 项:{lights}"


def in_order(assessments: Iterable[Assessment], catalogue: Catalogue | None) -> list[Assessment]:
    """As the catalogue lists them, plan by plan; without one by plan and id."""
    if catalogue is None:
        return sorted(assessments, key=lambda item: (str(item.get("plan", "")), str(item["target"])))
    plans = {plan.id: place for place, plan in enumerate(catalogue.plans)}
    places = {target.id: place for place, target in enumerate(catalogue.targets)}

    def place(item: Assessment) -> tuple[int, int, str]:
        name = str(item["target"])
        return plans.get(_plan(item, catalogue), len(plans)), places.get(name, len(places)), name

    return sorted(assessments, key=place)


def _row(item: Assessment, catalogue: Catalogue | None, talk: Talk) -> tuple[Text | str, ...]:
    light_zh, light_en, style = _LIGHTS.get(str(item.get("light")), ("?", "?", ""))
    verdict = str(item.get("verdict", ""))
    target = catalogue.target.get(str(item["target"])) if catalogue else None
    cluster = str(item.get("cluster") or (target.cluster if target else ""))
    if catalogue is not None and talk.language == "zh" and cluster in catalogue.cluster:
        cluster = catalogue.cluster[cluster].name
    return (
        Text(talk.say(light_zh, light_en), style=style),
        _name(item, catalogue, talk),
        "" if cluster == "_T" else cluster,
        _values(item, target.unit if target else str(item.get("unit", ""))),
        Text(talk.say(_VERDICTS.get(verdict, verdict), verdict), style=style),
        str(item.get("period") or ""),
        Text(_remark(item)),
    )


def _name(item: Assessment, catalogue: Catalogue | None, talk: Talk) -> Text:
    target = catalogue.target.get(str(item["target"])) if catalogue else None
    if target is not None:
        name = talk.say(target.name, target.name_en or target.name)
    else:
        name = str(item.get("name") or item["target"])
    return Text(name)


def _values(item: Assessment, unit: str) -> str:
    numbers = "/".join(_short(item.get(field)) for field in ("value", "due_value", "target_value"))
    return f"{numbers} {unit}".rstrip()


def _short(value: object) -> str:
    """A number as people say it: at most two decimals."""
    if value is None:
        return "—"
    try:
        rounded = Decimal(str(value)).quantize(Decimal("0.01"), ROUND_HALF_EVEN)
    except InvalidOperation:
        return str(value)
    return f"{rounded:f}".rstrip("0").rstrip(".")


def _remark(item: Assessment) -> str:
    """The explanation after what the other columns have said already."""
    text = str(item.get("remark") or item.get("explanation") or "")
    if text.startswith("【") and ":" in text.replace("：", ":"):
        text = text.replace("：", ":", 1).split(":", 1)[1]
    return " ".join(text.split())


def _plan(item: Assessment, catalogue: Catalogue | None) -> str:
    target = catalogue.target.get(str(item["target"])) if catalogue else None
    return target.plan if target else str(item.get("plan") or "")


def _plan_name(plan: str, catalogue: Catalogue | None) -> str:
    known = catalogue.plan.get(plan) if catalogue else None
    return known.name if known else plan or "—"
