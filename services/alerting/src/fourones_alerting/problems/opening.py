"""What lights do to the problem list: a red one opens a problem, and the history notes what becomes of the light.

One episode opens one problem at most, also when that is closed while the light is still red. A further episode is
entered in the history of the problem that is open, and a recovered light closes none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType

from sqlalchemy import Connection, text

from fourones_alerting.domain.problem_life import opening, step_of
from fourones_alerting.domain.problem_terms import Terms
from fourones_alerting.domain.problems import LIGHT, NOTICES, About, Action, Kind, Level, Origin, Problem, State
from fourones_alerting.problems.store import Entry, hold, problem_from, read_history, read_problem
from fourones_shared.catalogue.model import TOTAL, Catalogue, Target


def follow_lights(
    connection: Connection,
    catalogue: Catalogue,
    now: datetime,
    terms: Terms,
    *,
    targets: Sequence[str] | None = None,
    traces: Mapping[str, str] = MappingProxyType({}),
) -> int:
    """Bring the problem list up to the episodes.

    Args:
        connection: the transaction that has written the episodes and the assessments; what else it locks it holds
            already, since the end of the history comes last.
        catalogue: the one that the assessments follow.
        now: the moment of judging.
        terms: the due date of what is opened.
        targets: those whose assessments were written; None looks at all.
        traces: `traceparent` of the request that moved a light, by target.

    Returns:
        How many problems have got a step.
    """
    asked = {"targets": None if targets is None else list(targets)}
    if not connection.execute(_ANYTHING, asked).scalar_one():
        return 0
    history = hold(connection)
    # Read again under the lock: somebody may have closed one of them meanwhile.
    ended = [(problem_from(row), row.is_removed) for row in connection.execute(_ENDED, asked)]
    for problem, is_removed in ended:
        action = Action.TARGET_REMOVED if is_removed else Action.LIGHT_RECOVERED
        step = step_of(problem, action, LIGHT, now, details={"episode": problem.episode})
        history.add(problem, step, traces.get(problem.about.target or ""))
    begun = connection.execute(_BEGUN, asked).all()
    present = {row.target: problem_from(row) for row in connection.execute(_OF_LIGHTS, asked)}
    for row in begun:
        if (problem_of := present.get(row.target)) is not None:
            step = step_of(problem_of, Action.LIGHT_RED, LIGHT, now, details={"episode": row.number})
            history.add(problem_of, step, traces.get(row.target))
        elif (target := catalogue.target.get(row.target)) is not None:
            step = opening(
                history.next_problem(),
                _about(catalogue, target, row.explanation),
                level=Level.DEPARTMENT,
                responsible=tuple(row.departments),
                due=terms.due_from(now),
                taken_at=now,
                by=LIGHT,
                episode=row.number,
            )
            history.add(None, step, traces.get(row.target))
    return len(ended) + len(begun)


def opened_by(connection: Connection, target: str, episode: int) -> tuple[Problem, Entry] | None:
    """The problem that the episode itself has opened, with that step, while nobody has acknowledged it."""
    row = connection.execute(_UNACKNOWLEDGED, {"target": target, "episode": episode}).one_or_none()
    if row is None:
        return None
    first = read_history(connection, row.problem_id)[0]
    # An earlier episode's problem that is still open has taken this one in.
    return (problem_from(row), first) if (first.step.details or {}).get("episode") == episode else None


def notified(connection: Connection, target: str, episode: int, at: datetime) -> Problem | None:
    """Note that a department was told of the episode; the problem that has moved on by it, or None.

    Args:
        connection: the transaction that marks the notice as sent; it takes no other lock afterwards.
        target: whose light it is.
        episode: its number.
        at: when the notice was sent.
    """
    asked = {"target": target, "episode": episode}
    if connection.execute(_UNTOLD, asked).one_or_none() is None:
        return None
    history = hold(connection)
    row = connection.execute(_UNTOLD, asked).one_or_none()
    if row is None:
        return None
    problem = problem_from(row)
    changed, _ = history.add(problem, step_of(problem, Action.NOTIFY, NOTICES, at))
    return changed


def problem_notified(connection: Connection, problem: int, at: datetime) -> Problem | None:
    """Note that somebody who has to see to the problem was told of it, as `notified` does of an episode."""
    present = read_problem(connection, problem)
    if present is None or present.state is not State.OPENED:
        return None
    history = hold(connection)
    present = read_problem(connection, problem)
    if present is None or present.state is not State.OPENED:
        return None
    changed, _ = history.add(present, step_of(present, Action.NOTIFY, NOTICES, at))
    return changed


def _about(catalogue: Catalogue, target: Target, explanation: str) -> About:
    return About(
        title=f"{target.name}：红灯",
        description=explanation,
        kind=Kind.TARGET,
        origin=Origin.LIGHT,
        subject=target.name,
        org=_fixed(target.org),
        cluster=_fixed(target.cluster),
        target=target.id,
        plan=target.plan,
        synthetic=target.synthetic or catalogue.plan[target.plan].synthetic,
    )


def _fixed(code: str) -> str | None:
    return None if code == TOTAL else code


# Problems whose light has gone out since, and episodes that no problem knows of yet.
_WHICH = "(CAST(:targets AS text[]) IS NULL OR target = ANY(:targets))"
_ENDED_FROM = f"""
    FROM problem JOIN episode USING (target) LEFT JOIN assessment USING (target)
    WHERE {_WHICH} AND origin = 'light' AND state <> 'closed' AND light_is_red
      AND episode.number = problem.episode AND episode.ended_at IS NOT NULL
"""
_BEGUN_FROM = f"""
    FROM episode JOIN assessment USING (target)
    WHERE {_WHICH} AND ended_at IS NULL AND NOT EXISTS (
        SELECT FROM problem
        WHERE problem.target = episode.target AND origin = 'light' AND problem.episode >= episode.number
    )
"""
_ANYTHING = text(f"SELECT EXISTS (SELECT {_ENDED_FROM}) OR EXISTS (SELECT {_BEGUN_FROM})")
_ENDED = text(f"SELECT problem.*, assessment.target IS NULL AS is_removed {_ENDED_FROM} ORDER BY problem_id")
_BEGUN = text(f"SELECT target, number, explanation, departments {_BEGUN_FROM} ORDER BY target")
_OF_LIGHTS = text(f"SELECT * FROM problem WHERE {_WHICH} AND origin = 'light' AND state <> 'closed'")  # noqa: S608
_OF_EPISODE = "SELECT * FROM problem WHERE target = :target AND origin = 'light' AND episode = :episode"
_UNTOLD = text(f"{_OF_EPISODE} AND state = 'opened'")
_UNACKNOWLEDGED = text(f"{_OF_EPISODE} AND state IN ('opened', 'notified')")
