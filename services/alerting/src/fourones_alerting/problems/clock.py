"""The clock of the problem list: what nobody acknowledges, or is past due, goes one level up.

It also enters what judging could not: episodes that were there before the list was, or that a worker of an older
release has followed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from fourones_alerting.domain.problem_life import step_of
from fourones_alerting.domain.problem_terms import Terms
from fourones_alerting.domain.problems import CLOCK, Action, Problem
from fourones_alerting.judging.leadership import Leadership
from fourones_alerting.problems.opening import follow_lights
from fourones_alerting.problems.store import hold, read_open, read_problem
from fourones_shared.catalogue.model import Catalogue
from fourones_shared.database.engine import is_transient
from fourones_shared.domain.clock import Clock

log = structlog.get_logger(__name__)

# Deadlines end with a day; boards and departments need to know within moments, not at once.
TICK_S = 2.0


class ProblemClock:
    """The thread that keeps the deadlines; one leader among the replicas.

    Args:
        in_force: the catalogue in force; None before the first.
        may_judge: whether verdicts are those of now, so that a red light is one.
        lock: name of the lock by which replicas agree on a leader.
    """

    def __init__(
        self,
        *,
        engine: Engine,
        in_force: Callable[[], Catalogue | None],
        may_judge: Callable[[], bool],
        clock: Clock,
        terms: Terms,
        lock: str,
    ) -> None:
        self._engine = engine
        self._in_force = in_force
        self._may_judge = may_judge
        self._clock = clock
        self._terms = terms
        self._leadership = Leadership(engine, lock)

    def run(self, stop: threading.Event) -> None:
        """Keep the deadlines until `stop` is set, through outages of the database."""
        try:
            while not stop.is_set():
                try:
                    if self._leadership.is_held():
                        self.tick()
                except DBAPIError as error:
                    if not is_transient(error):
                        raise
                    log.warning("deadlines of problems held up", error=str(error).splitlines()[0])
                stop.wait(TICK_S)
        finally:
            self._leadership.give_up()

    def tick(self) -> None:
        """Look once.

        Raises:
            DBAPIError: when the database is away.
        """
        catalogue = self._in_force()
        if catalogue is not None and self._may_judge():
            with self._engine.begin() as connection:
                follow_lights(connection, catalogue, self._clock.now(), self._terms)
        with self._engine.begin() as connection:
            late = [problem.id for problem in read_open(connection) if self._is_late(problem)]
        for problem in late:
            self._pass_up(problem)

    def _is_late(self, problem: Problem) -> bool:
        passed_up_at = self._terms.passed_up_at(problem)
        return passed_up_at is not None and passed_up_at <= self._clock.now()

    def _pass_up(self, number: int) -> None:
        with self._engine.begin() as connection:
            history = hold(connection)
            problem = read_problem(connection, number)
            # Somebody may have taken it in hand between the look and the lock.
            if problem is None or not self._is_late(problem):
                return
            note = (
                f"{self._terms.acknowledge_days} 个工作日内无人签收，系统自动上报"
                if problem.state.awaits_acknowledgement and not problem.is_overdue(self._clock.now())
                else f"已过办理期限（{problem.due.isoformat()}），系统自动上报"
            )
            step = step_of(problem, Action.ESCALATE, CLOCK, self._clock.now(), note=note)
            history.add(problem, step)
        log.info("problem passed up", problem=number, level=step.level.value)
