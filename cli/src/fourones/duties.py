"""What is owed and by when, as people read it: `GET /v1/obligations` as a table with its counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from fourones.talk import Talk
from fourones_shared.domain.clock import SHANGHAI
from fourones_shared.domain.periods import end_of_day

Obligation = Mapping[str, Any]

STATES = {
    "reported": ("已报", "reported", "green"),
    "not_yet_due": ("未到期", "not yet due", ""),
    "overdue": ("逾期未报", "overdue", "bold red"),
    "declared_missing": ("声明缺报", "declared missing", "yellow"),
    "not_applicable": ("不适用", "not applicable", "bright_black"),
}
_COLUMNS = (
    ("期限", "due"),
    ("状态", "state"),
    ("指标", "indicator"),
    ("单位", "org"),
    ("报送单位", "reporter"),
    ("集群", "cluster"),
    ("报告期", "period"),
)


class Counts:
    """Counts obligations while they pass by: a list of them may be long.

    Args:
        now: what is due by then counts as due.
    """

    def __init__(self, now: datetime) -> None:
        self._now = now
        self._states: Counter[str] = Counter()
        self._due = 0
        self._late = 0
        self._locked = 0

    def counting(self, items: Iterable[Obligation]) -> Iterable[Obligation]:
        """The same items, counted."""
        for item in items:
            self._states[str(item.get("state"))] += 1
            moment = _due_at(item.get("due"))
            self._due += moment is not None and moment <= self._now
            self._late += item.get("late") is True
            self._locked += item.get("locked") is True
            yield item

    def line(self, talk: Talk) -> str:
        """How many are due, of each state, came late, are locked."""
        total = sum(self._states.values())
        zh = [f"{names[0]} {self._states[state]}" for state, names in STATES.items()]
        en = [f"{names[1]} {self._states[state]}" for state, names in STATES.items()]
        return talk.say(
            f"共 {total} 项,已到期 {self._due}:{' '.join(zh)} 迟报 {self._late} 锁定 {self._locked}",
            f"{total} obligations, {self._due} due: {', '.join(en)}, late {self._late}, locked {self._locked}",
        )


def table_of(items: Sequence[Obligation], talk: Talk) -> Table:
    """A line for each obligation."""
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
    for zh, en in _COLUMNS:
        table.add_column(talk.say(zh, en), overflow="fold")
    table.add_column(talk.say("数值", "value"), justify="right", no_wrap=True)
    table.add_column(talk.say("备注", "remark"), no_wrap=True)
    for item in items:
        zh, en, style = STATES.get(str(item.get("state")), (str(item.get("state")),) * 2 + ("",))
        cluster = item.get("cluster")
        table.add_row(
            day(item.get("due")),
            Text(talk.say(zh, en), style=style),
            Text(str((item.get("indicator_name") if talk.language == "zh" else None) or item.get("indicator") or "")),
            *(Text(str(item.get(name) or "")) for name in ("org", "reporter")),
            Text("" if cluster in {None, "_T"} else str(cluster)),
            Text(str(item.get("period") or "")),
            Text("" if item.get("value") is None else f"{item['value']} {item.get('unit') or ''}".rstrip()),
            Text(_remark(item, talk)),
        )
    return table


def day(due: object) -> str:
    """The last day on which a report is in time, of a day or of the moment that ends it."""
    moment = _due_at(due)
    return str(due or "") if moment is None else f"{moment.astimezone(SHANGHAI) - timedelta(microseconds=1):%Y-%m-%d}"


def _due_at(due: object) -> datetime | None:
    """The first moment at which a report is late: a day is in time to its end."""
    if not isinstance(due, str):
        return None
    try:
        return datetime.fromisoformat(due) if "T" in due else end_of_day(date.fromisoformat(due))
    except ValueError:
        return None


def _remark(item: Obligation, talk: Talk) -> str:
    late = talk.say("迟报", "late") if item.get("late") else ""
    locked = talk.say("已锁定", "locked") if item.get("locked") else ""
    return " ".join(part for part in (late, locked) if part)
