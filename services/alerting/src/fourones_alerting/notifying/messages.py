"""What is told, in Chinese: the words of every kind of notice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from fourones_alerting.domain.explanation import period_in_chinese
from fourones_alerting.domain.problems import Action, Level, Problem, Step
from fourones_alerting.domain.verdicts import Light, Verdict
from fourones_alerting.notifying.notices import Draft, Kind, fact_about_red
from fourones_alerting.notifying.occasions import Occasion
from fourones_alerting.notifying.standing import Standing
from fourones_shared.catalogue.model import Catalogue, Target
from fourones_shared.domain.clock import SHANGHAI
from fourones_shared.domain.numbers import format_decimal
from fourones_shared.domain.periods import Period

# A message has room for a handful of names; the whole list is behind its link.
MOST_NAMES = 8
# A WeCom robot takes 4,096 bytes and a character of Chinese is three of them; heading, number and link go off that.
DIGEST_BYTES = 3_300

_LIGHTS = {Light.GREEN: "绿灯", Light.YELLOW: "黄灯", Light.RED: "红灯", Light.GREY: "灰灯"}


class Wording:
    """Composes notices under one catalogue.

    Args:
        catalogue: for the names; what it does not know is called by its id.
        link: where a target is explained; the target's id replaces `{target}` in it, or follows it.
        problems_link: where problems are listed; a problem's number follows it as `/number`.
    """

    def __init__(self, catalogue: Catalogue, link: str, problems_link: str) -> None:
        self._catalogue = catalogue
        self._link = link
        self._problems_link = problems_link
        self._names = {o.id: o.name for o in catalogue.organisations} | {c.id: c.name for c in catalogue.clusters}

    def off_track(self, standing: Standing, *, worse: bool = False) -> Draft:
        """A red light, or one that has become worse since it was told; once for every period judged."""
        name, again = self._name(standing.target), standing.period != standing.began_in
        deteriorating = standing.verdict is Verdict.DETERIORATING
        heading = (
            "红灯，情况恶化" if worse else f"{'仍为' if again else ''}红灯{'，与目标背道而行' if deteriorating else ''}"
        )
        kind = Kind.DETERIORATING if worse else Kind.OFF_TRACK
        lines = [
            *_sentences(standing.explanation),
            f"亮红灯：自{_moment(standing.began_at)}起",
            *self._responsible(standing),
        ]
        return Draft(
            kind=kind,
            fact=fact_about_red(kind, standing.target, standing.episode, standing.period),
            level="red",
            title=f"{self._synthetic(standing.target)}{heading}：{name}",
            text="\n".join(lines),
            link=self.link(standing.target),
            target=standing.target,
            period=standing.period,
            episode=standing.episode,
            facts=self._facts(standing),
            traceparent=standing.traceparent,
        )

    def recovered(self, standing: Standing, episode: int) -> Draft:
        """A light that is green or yellow again, told to whom its red was told."""
        lines = [*_sentences(standing.explanation), *_stretch(standing), *self._responsible(standing)]
        return Draft(
            kind=Kind.RECOVERED,
            fact=f"{Kind.RECOVERED.value}:{standing.target}:{episode}",
            level="recovered",
            title=f"{self._synthetic(standing.target)}已转为{_LIGHTS[standing.light]}：{self._name(standing.target)}",
            text="\n".join(lines),
            link=self.link(standing.target),
            target=standing.target,
            period=standing.period,
            episode=episode,
            facts=self._facts(standing),
            traceparent=standing.traceparent,
        )

    def overdue(self, standing: Standing) -> Draft:
        """Figures that are due and have not come."""
        name, when = self._name(standing.target), self._period(standing, standing.latest_period)
        lines = [f"{when}应报的数据还缺{standing.overdue}个"]
        if standing.missing:
            lines.append(f"缺报单位：{self._listed(standing.missing)}")
        lines += self._responsible(standing)
        return Draft(
            kind=Kind.OVERDUE,
            fact=f"{Kind.OVERDUE.value}:{standing.target}:{standing.latest_period}",
            level="info",
            title=f"{self._synthetic(standing.target)}逾期未报：{name}",
            text="\n".join(lines),
            link=self.link(standing.target),
            target=standing.target,
            period=standing.latest_period,
            facts=self._facts(standing) | {"period": standing.latest_period},
            traceparent=standing.traceparent,
        )

    def problem(self, problem: Problem, step: Step, number: int) -> Draft:
        """A step of a problem, to whoever has to see to it or is to know that it is closed."""
        about = problem.about
        lines: list[str] = []
        if step.action in _SAYS_WHAT:
            lines += [*_sentences(about.description), f"涉及：{about.subject}"]
        if step.note:
            lines.append(f"{_NOTED[step.action]}：{step.note}")
        if step.action is not Action.CLOSE:
            lines.append(f"办理期限：{step.due.year}年{step.due.month}月{step.due.day}日")
        if problem.held_by:
            lines.append(f"办理单位：{self._listed(problem.held_by)}")
        return Draft(
            kind=Kind.PROBLEM,
            fact=f"{Kind.PROBLEM.value}:{problem.id}:{number}",
            level="recovered" if step.action is Action.CLOSE else "info",
            title=f"{'【演示】' if about.synthetic else ''}问题{problem.id}{_heading(step)}：{about.title}",
            text="\n".join(lines),
            link=f"{self._problems_link}/{problem.id}" if self._problems_link else None,
            problem=problem.id,
            facts={
                "problem": problem.id,
                "action": step.action.value,
                "state": step.state.value,
                "level": step.level.value,
                "due": step.due.isoformat(),
                "held_by": list(problem.held_by),
                "note": step.note,
            },
        )

    def problems_overdue(self, occasion: Occasion, department: str) -> Draft:
        """Problems of a department that are past their due dates; once for every time that this begins."""
        return Draft(
            kind=Kind.PROBLEMS_OVERDUE,
            fact=occasion.key,
            level="info",
            title=occasion.title or "有问题超过办理期限",
            text=occasion.text,
            link=f"{self._problems_link}?overdue=true&department={department}" if self._problems_link else None,
            facts={"alert": occasion.alert, "department": occasion.department},
        )

    def link(self, target: str) -> str | None:
        """Where the target is explained."""
        if not self._link:
            return None
        return self._link.replace("{target}", target) if "{target}" in self._link else self._link + target

    def _facts(self, standing: Standing) -> dict[str, Any]:
        target = self._target(standing.target)
        return {
            "target": standing.target,
            "name": self._name(standing.target),
            "plan": target.plan if target else None,
            "indicator": target.indicator if target else None,
            "unit": target.unit if target else None,
            "period": standing.period,
            "episode": standing.episode,
            "verdict": standing.verdict.value,
            "light": standing.light.value,
            "value": _exact(standing.value),
            "due_value": _exact(standing.due_value),
            "target_value": _exact(standing.target_value),
            "gap": _exact(standing.gap),
            "months_behind": _exact(standing.months_behind),
            "forecast": _exact(standing.forecast),
            "contributions": standing.contributions,
            "missing": list(standing.missing),
            "departments": list(standing.departments),
            "red_since": standing.began_at.isoformat() if standing.began_at else None,
            "red_until": standing.ended_at.isoformat() if standing.ended_at else None,
        }

    def _responsible(self, standing: Standing) -> Iterator[str]:
        target = self._target(standing.target)
        if target is not None and target.plan in self._catalogue.plan:
            yield f"所属方案：{self._catalogue.plan[target.plan].name}"
        yield f"责任部门：{self._listed(standing.departments)}"

    def _listed(self, ids: Sequence[str]) -> str:
        names = "、".join(self._names.get(key, key) for key in ids[:MOST_NAMES])
        return names if len(ids) <= MOST_NAMES else f"{names}等{len(ids)}家"

    def _period(self, standing: Standing, key: str) -> str:
        target = self._target(standing.target)
        if target is None or target.indicator not in self._catalogue.indicator:
            return key
        return period_in_chinese(Period.parse(key), self._catalogue.indicator[target.indicator].covers)

    def _name(self, target: str) -> str:
        known = self._target(target)
        return known.name if known else target

    def _synthetic(self, target: str) -> str:
        known = self._target(target)
        if known is None:
            return ""
        plan = self._catalogue.plan.get(known.plan)
        return "【演示】" if known.synthetic or (plan is not None and plan.synthetic) else ""

    def _target(self, target: str) -> Target | None:
        return self._catalogue.target.get(target)


def health(occasion: Occasion) -> Draft:
    """The system's own health, for its operators; what it says is the alert's own text."""
    said = "告警" if occasion.firing else "已恢复"
    lines = [occasion.text] if occasion.text and occasion.firing else []
    lines.append(f"{'开始' if occasion.firing else '曾开始'}：{_moment(occasion.starts_at)}")
    return Draft(
        kind=Kind.HEALTH,
        fact=occasion.key,
        level="operators" if occasion.firing else "recovered",
        title=f"系统{said}：{occasion.title or occasion.alert}",
        text="\n".join(lines),
        facts={"alert": occasion.alert, "firing": occasion.firing, "starts_at": occasion.starts_at.isoformat()},
    )


def digest(parts: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    """Title and text of one message that tells many; each part has its number and its title in it."""
    reds = sum(part["level"] == "red" for part in parts)
    title = f"{len(parts)}条提醒" + (f"，其中红灯{reds}条" if reds else "")
    return title, "\n".join(digest_line(part) for part in parts)


def digest_line(part: Mapping[str, Any]) -> str:
    """What a digest says of one of its parts: its title, and the first sentence of its text."""
    first = str(part["text"]).partition("\n")[0]
    return f"【{part['number']}】{part['title']}" + (f"。{first}" if first else "")


def fits_a_digest(parts: Sequence[Mapping[str, Any]]) -> int:
    """How many of these parts, from the first, one message has room for; at least two of two or more."""
    used = 0
    for count, part in enumerate(parts):
        used += len(digest_line(part).encode()) + 1
        if used > DIGEST_BYTES:
            return max(count, min(2, len(parts)))
    return len(parts)


def _heading(step: Step) -> str:
    if step.action is Action.ESCALATE:
        return "已上报市级，待签收" if step.level is Level.CITY else "已上报，待签收"
    return _HEADINGS[step.action]


_HEADINGS: Mapping[Action, str] = {
    Action.OPEN: "待签收",
    Action.REOPEN: "被退回，请继续办理",
    Action.REPORT: "已反馈，待复核",
    Action.CLOSE: "已销号",
}
# Whoever hears of a problem for the first time has to be told what it is.
_SAYS_WHAT = frozenset({Action.OPEN, Action.ESCALATE})
_NOTED: Mapping[Action, str] = {
    Action.OPEN: "说明",
    Action.ESCALATE: "上报原因",
    Action.REOPEN: "退回原因",
    Action.REPORT: "反馈",
    Action.CLOSE: "说明",
}


def _stretch(standing: Standing) -> Iterator[str]:
    if standing.began_at is not None and standing.ended_at is not None:
        lasted = _lasted(standing.ended_at - standing.began_at)
        yield f"红灯：自{_moment(standing.began_at)}起，至{_moment(standing.ended_at)}止，历时{lasted}"


def _lasted(time: timedelta) -> str:
    if time >= timedelta(days=1):
        return f"{time.days}天"
    minutes = int(time.total_seconds() // 60)
    return f"{minutes // 60}小时" if minutes >= 60 else f"{max(minutes, 1)}分钟"


def _sentences(paragraph: str) -> Iterator[str]:
    """One a line: a channel that must shorten a message cuts at a line's end."""
    return (sentence for part in paragraph.split("。") if (sentence := part.strip()))


def _moment(moment: datetime | None) -> str:
    if moment is None:
        return "不详"
    local = moment.astimezone(SHANGHAI)
    return f"{local.year}年{local.month}月{local.day}日{local:%H:%M}"


def _exact(value: Decimal | None) -> str | None:
    return None if value is None else format_decimal(value)
