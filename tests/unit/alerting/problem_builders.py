"""Problems and who acts on them, with defaults: a test names only what it is about."""

from __future__ import annotations

from datetime import date
from typing import Any

from unit.alerting.builders import CLUSTER, COUNTY, DEPARTMENT, NOW, SMES_TARGET

from fourones_alerting.domain.problem_life import after, opening, step_of
from fourones_alerting.domain.problems import LIGHT, About, Action, Actor, Kind, Level, Origin, Problem, Step

GXJ = Actor("department", DEPARTMENT, "key-of-gxj")
PIZHOU = Actor("reporter", COUNTY, "key-of-pizhou")
OFFICE = Actor("coordinator", None, "key-of-office")
VIEWER, ADMIN = Actor("viewer", None, "key-of-viewer"), Actor("admin", None, "key-of-admin")


def about_a_project(**changes: Any) -> About:
    given: dict[str, Any] = {
        "title": "智能工厂用地未落实",
        "description": "二期用地指标未批",
        "kind": Kind.PROJECT,
        "origin": Origin.RAISED,
        "subject": "智能工厂二期",
        "org": COUNTY,
        "cluster": CLUSTER,
        "raised_by": COUNTY,
    }
    return About(**given | changes)


def about_a_light() -> About:
    return about_a_project(kind=Kind.TARGET, origin=Origin.LIGHT, target=SMES_TARGET, org=None, raised_by=None)


def first_step(about: About | None = None, **changes: Any) -> Step:
    """Opened at NOW, at department level, due in a month."""
    given: dict[str, Any] = {
        "level": Level.DEPARTMENT,
        "responsible": (DEPARTMENT,),
        "due": date(2026, 6, 19),
        "taken_at": NOW,
        "by": PIZHOU,
    }
    return opening(1, about or about_a_project(), **given | changes)


def a_problem(*actions: Action, **opened: Any) -> Problem:
    """A problem that has taken these steps, each by somebody who may."""
    problem = after(None, first_step(**opened))
    for action in actions:
        by = OFFICE if action in {Action.VERIFY, Action.CLOSE, Action.REOPEN} else GXJ
        details = {"episode": 1} if action in {Action.LIGHT_RED, Action.LIGHT_RECOVERED} else None
        by = LIGHT if details else by
        problem = after(problem, step_of(problem, action, by, NOW, details=details))
    return problem
