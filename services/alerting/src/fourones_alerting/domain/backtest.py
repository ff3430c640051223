"""A target replayed over its history under each method: when would it have turned red, and back?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from fourones_alerting.domain.assessment import Assessment, assess
from fourones_alerting.domain.readings import Observation
from fourones_alerting.domain.verdicts import Light
from fourones_shared.catalogue.model import Indicator, Method, Plan, Target

HistoryAt = Callable[[datetime], Sequence[Observation]]
"""What is to be taken for known at a moment."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What each method says from a moment on, until the next scene."""

    at: datetime
    by_method: Mapping[Method, Assessment]


@dataclass(frozen=True, slots=True)
class Spell:
    """A stretch of time in red; `until` is None where it lasts to the end. `period` is the one that turned it."""

    since: datetime
    until: datetime | None
    period: str


def replay(
    target: Target, plan: Plan, indicator: Indicator, moments: Iterable[datetime], history_at: HistoryAt
) -> list[Scene]:
    """Judge at every moment, in order; what says the same as the scene before is left out.

    Args:
        target: as it is judged now; its headline method is replaced by each in turn.
        plan: its plan.
        indicator: what is measured.
        moments: at which something may have changed.
        history_at: what was known, or is to be taken for known, at a moment.
    """
    scenes: list[Scene] = []
    variants = {method: target.model_copy(update={"method": method}) for method in Method}
    for moment in sorted(set(moments)):
        history = history_at(moment)
        found = {m: assess(variant, plan, indicator, history, moment) for m, variant in variants.items()}
        if not scenes or _shown(scenes[-1].by_method) != _shown(found):
            scenes.append(Scene(moment, found))
    return scenes


def red_spells(scenes: Sequence[Scene], method: Method) -> list[Spell]:
    """The stretches in which a method says red. As for alerts, grey ends none: only a better colour does."""
    spells: list[Spell] = []
    for scene in scenes:
        assessment = scene.by_method[method]
        is_open = bool(spells) and spells[-1].until is None
        if assessment.light is Light.RED and not is_open:
            spells.append(Spell(scene.at, None, assessment.period))
        elif is_open and assessment.light in {Light.GREEN, Light.YELLOW}:
            spells[-1] = Spell(spells[-1].since, scene.at, spells[-1].period)
    return spells


def _shown(by_method: Mapping[Method, Assessment]) -> object:
    return {method: (a.period, a.verdict, a.value, a.final, a.stale) for method, a in by_method.items()}
