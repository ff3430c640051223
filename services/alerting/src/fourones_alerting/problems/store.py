"""Stores problems: a step goes behind the others, the problem's row follows, and an event tells it, all or nothing.

Every step of every problem is written under one lock, the row of the chain's end, which is taken before anything else
of a problem is read for a decision. Steps are few (some hundreds a day), and the one order of locks cannot deadlock.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
from sqlalchemy import Connection, text

from fourones_alerting.domain.problem_life import after
from fourones_alerting.domain.problems import About, Kind, Level, Origin, Problem, State, Step
from fourones_alerting.problems.chain import columns_of, hash_of, step_from
from fourones_alerting.tables import ProblemRow, ProblemStepRow
from fourones_shared.events.envelope import wrap
from fourones_shared.events.model import ProblemChanged, ProblemStep
from fourones_shared.kafka.outbox_table import enqueue
from fourones_shared.tracing import current_traceparent

SOURCE = "/fourones/alerting"


@dataclass(frozen=True, slots=True)
class Entry:
    """A step in its place in the history of all problems."""

    number: int
    step: Step
    hash: str


class History:
    """The end of the history, held until the transaction ends; made by `hold`."""

    def __init__(self, connection: Connection, steps: int, problems: int, last: str) -> None:
        self._connection = connection
        self._steps = steps
        self._problems = problems
        self._hash = last

    def next_problem(self) -> int:
        """The number of the problem that the next step opens."""
        return self._problems + 1

    def add(self, problem: Problem | None, step: Step, traceparent: str | None = None) -> tuple[Problem, int]:
        """Put a step behind the others.

        Args:
            problem: as it stands, read since the history is held; None for its first step.
            step: the one that follows.
            traceparent: of the request that brought it about; without it the current one.

        Returns:
            The problem after it, and the step's number.
        """
        changed = after(problem, step)
        self._steps += 1
        self._hash = hash_of(self._hash, self._steps, step)
        if problem is None:
            self._problems = step.problem
        self._connection.execute(_PUT, {"row": _json(_row_of(changed))})
        entry = columns_of(step) | {"step": self._steps, "hash": self._hash}
        self._connection.execute(_ADD, {"row": _json(entry)})
        end = {"steps": self._steps, "problems": self._problems, "hash": self._hash}
        self._connection.execute(_END, end)
        event = _event(changed, Entry(self._steps, step, self._hash))
        event_id = f"{changed.id}-{changed.version}"
        wire = wrap(
            event,
            event_id=event_id,
            source=SOURCE,
            time=step.taken_at,
            traceparent=traceparent or current_traceparent(),
        )
        enqueue(self._connection, [wire])
        return changed, self._steps


def hold(connection: Connection) -> History:
    """Take the end of the history, before anything is read that a step depends on."""
    row = connection.execute(_HOLD).one()
    return History(connection, row.steps, row.problems, row.hash)


def read_problem(connection: Connection, problem: int) -> Problem | None:
    """One problem as it stands."""
    row = connection.execute(_ONE, {"problem": problem}).one_or_none()
    return None if row is None else problem_from(row)


def read_history(connection: Connection, problem: int) -> list[Entry]:
    """The steps of one problem, the first first."""
    rows = connection.execute(_STEPS, {"problem": problem})
    return [Entry(row.step, step_from(row), row.hash) for row in rows]


def read_open(connection: Connection) -> list[Problem]:
    """Every problem that is not closed."""
    return [problem_from(row) for row in connection.execute(_OPEN)]


def read_page(connection: Connection, filters: dict[str, Any]) -> list[Problem]:
    """Problems by these filters, the newest first; see `FILTERS`."""
    return [problem_from(row) for row in connection.execute(_PAGE, dict.fromkeys(FILTERS) | filters)]


def read_as_of(connection: Connection, until: datetime | None, since: datetime | None = None) -> Iterator[Problem]:
    """The problems as they stood at a moment, made of their steps.

    Args:
        connection: any.
        until: the moment; steps taken at it or later are left out. None for the present.
        since: problems that were closed before it, and are so still, are left out.
    """
    problem: Problem | None = None
    for row in connection.execute(_STEPS_UNTIL, {"until": until, "since": since}):
        step = step_from(row)
        if problem is not None and problem.id != step.problem:
            yield problem
            problem = None
        problem = after(problem, step)
    if problem is not None:
        yield problem


def problem_from(row: Any) -> Problem:
    """A problem from a row of `problem`."""
    about = About(
        title=row.title,
        description=row.description,
        kind=Kind(row.kind),
        origin=Origin(row.origin),
        subject=row.subject,
        org=row.org,
        cluster=row.cluster,
        target=row.target,
        plan=row.plan,
        raised_by=row.raised_by,
        synthetic=row.synthetic,
    )
    return Problem(
        id=row.problem_id,
        version=row.version,
        about=about,
        state=State(row.state),
        level=Level(row.level),
        due=row.due,
        responsible=tuple(row.responsible),
        opened_at=row.opened_at.astimezone(UTC),
        reached_at=row.reached_at.astimezone(UTC),
        changed_at=row.changed_at.astimezone(UTC),
        reported_at=row.reported_at and row.reported_at.astimezone(UTC),
        reported_by=row.reported_by,
        closed_at=row.closed_at and row.closed_at.astimezone(UTC),
        episode=row.episode,
        light_is_red=row.light_is_red,
    )


def _row_of(problem: Problem) -> dict[str, Any]:
    about = {name: getattr(problem.about, name) for name in About.__dataclass_fields__}
    own = {name: getattr(problem, name) for name in Problem.__dataclass_fields__ if name not in {"id", "about"}}
    return about | own | {"problem_id": problem.id, "held_by": problem.held_by}


def _event(problem: Problem, entry: Entry) -> ProblemChanged:
    about, step = problem.about, entry.step
    return ProblemChanged(
        id=problem.id,
        version=problem.version,
        title=about.title,
        description=about.description,
        kind=about.kind.value,
        origin=about.origin.value,
        subject=about.subject,
        org=about.org,
        cluster=about.cluster,
        target=about.target,
        plan=about.plan,
        raised_by=about.raised_by,
        synthetic=about.synthetic,
        state=problem.state.value,
        level=problem.level.value,
        due=problem.due,
        responsible=problem.responsible,
        held_by=problem.held_by,
        opened_at=problem.opened_at,
        closed_at=problem.closed_at,
        step=ProblemStep(
            number=entry.number,
            action=step.action.value,
            taken_at=step.taken_at,
            role=step.by.role,
            org=step.by.org,
            key_id=step.by.key_id,
            note=step.note,
            hash=entry.hash,
        ),
    )


def _json(row: dict[str, Any]) -> str:
    return orjson.dumps(row).decode()


FILTERS: Sequence[str] = (
    "state",
    "department",
    "org",
    "cluster",
    "target",
    "overdue",
    "today",
    "party",
    "before",
    "limit",
)
"""What `read_page` takes: exact values; `state` may be `open`; `overdue` needs `today`, the day in Shanghai; `party` is
the organisation whose problems alone are shown; `before` is the number that the page before ended with."""

# Column names come from the models, never from input.
_COLUMNS = ", ".join(ProblemRow.model_fields)
_NEW = ", ".join(f"{name} = excluded.{name}" for name in ProblemRow.model_fields if name != "problem_id")
_STEP_COLUMNS = ", ".join(ProblemStepRow.model_fields)

_HOLD = text("SELECT steps, problems, hash FROM problem_chain FOR UPDATE")
_END = text("UPDATE problem_chain SET steps = :steps, problems = :problems, hash = :hash")
_PUT = text(
    f"INSERT INTO problem ({_COLUMNS}) SELECT {_COLUMNS}"  # noqa: S608
    " FROM jsonb_populate_record(CAST(NULL AS problem), CAST(:row AS jsonb))"
    f" ON CONFLICT (problem_id) DO UPDATE SET {_NEW}"
)
_ADD = text(
    f"INSERT INTO problem_step ({_STEP_COLUMNS}) SELECT {_STEP_COLUMNS}"  # noqa: S608
    " FROM jsonb_populate_record(CAST(NULL AS problem_step), CAST(:row AS jsonb))"
)
_ONE = text("SELECT * FROM problem WHERE problem_id = :problem")
_STEPS = text("SELECT * FROM problem_step WHERE problem_id = :problem ORDER BY step")
_STEPS_UNTIL = text(
    "SELECT problem_step.* FROM problem_step JOIN problem USING (problem_id)"
    " WHERE (CAST(:until AS timestamptz) IS NULL OR taken_at < :until)"
    " AND (CAST(:since AS timestamptz) IS NULL OR closed_at IS NULL OR closed_at >= :since)"
    " ORDER BY problem_id, step"
)
_OPEN = text("SELECT * FROM problem WHERE state <> 'closed' ORDER BY problem_id")
_PAGE = text(
    """
    SELECT * FROM problem
    WHERE (CAST(:before AS bigint) IS NULL OR problem_id < :before)
      AND (CAST(:state AS text) IS NULL OR state = :state OR (:state = 'open' AND state <> 'closed'))
      AND (CAST(:department AS text) IS NULL OR responsible ? CAST(:department AS text))
      AND (CAST(:org AS text) IS NULL OR org = :org)
      AND (CAST(:cluster AS text) IS NULL OR cluster = :cluster)
      AND (CAST(:target AS text) IS NULL OR target = :target)
      AND (CAST(:party AS text) IS NULL OR org = :party OR raised_by = :party OR responsible ? CAST(:party AS text))
      AND (CAST(:overdue AS boolean) IS NULL
           OR :overdue = (due < CAST(:today AS date) AND state NOT IN ('reported_done', 'verified', 'closed')))
    ORDER BY problem_id DESC LIMIT :limit
    """
)
