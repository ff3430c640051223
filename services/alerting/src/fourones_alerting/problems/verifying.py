"""Holds the problem list against its history: the chain of hashes, the order of steps, the rows made of them."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, text

from fourones_alerting.domain.problem_life import OutOfOrder, after
from fourones_alerting.domain.problems import Problem
from fourones_alerting.problems.chain import BEGINNING, hash_of, step_from
from fourones_alerting.problems.store import problem_from

# So many steps are in memory at a time.
AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class Verified:
    """What was found.

    Attributes:
        steps, problems: how many there are.
        hash: of the last step: noted elsewhere, it tells later whether what is there now was altered.
        faults: everything that is wrong, in English, for operators.
    """

    steps: int
    problems: int
    hash: str
    faults: tuple[str, ...]


def verify(connection: Connection, noted: tuple[int, str] | None = None) -> Verified:
    """Read the whole history and compare.

    Args:
        connection: in one snapshot (REPEATABLE READ), while the service goes on.
        noted: number and hash of a step as they were noted earlier.
    """
    faults: list[str] = []
    problems: dict[int, Problem] = {}
    number, last = 0, BEGINNING
    rows = connection.execution_options(yield_per=AT_ONCE).execute(_STEPS)
    for row in rows:
        if row.step != number + 1:
            faults.append(f"steps {number + 1} to {row.step - 1} are missing")
        number = row.step
        step = step_from(row)
        if hash_of(last, number, step) != row.hash:
            faults.append(f"step {number} (problem {row.problem_id}) or one before it was altered")
        # From here on with the hash that is there, so that one altered step is one fault.
        last = row.hash
        if noted is not None and noted[0] == number and noted[1] != last:
            faults.append(f"step {number} had the hash {noted[1]} when it was noted, and has {last}")
        try:
            problems[row.problem_id] = after(problems.get(row.problem_id), step)
        except (OutOfOrder, KeyError, ValueError) as error:
            faults.append(f"step {number} does not follow on problem {row.problem_id} as it was: {error}")
    if noted is not None and noted[0] > number:
        faults.append(f"step {noted[0]} was noted, and the history ends with step {number}")
    faults += _against_the_end(connection, number, last, len(problems))
    faults += _against_the_rows(connection, problems)
    return Verified(number, len(problems), last, tuple(faults))


def _against_the_end(connection: Connection, number: int, last: str, problems: int) -> list[str]:
    end = connection.execute(_END).one()
    if (end.steps, end.hash, end.problems) == (number, last, problems):
        return []
    of_chain = f"step {end.steps} ({end.hash}) of {end.problems} problems"
    return [f"the chain ends with {of_chain}, the history with step {number} ({last}) of {problems}"]


def _against_the_rows(connection: Connection, problems: dict[int, Problem]) -> list[str]:
    rows = {row.problem_id: problem_from(row) for row in connection.execute(_PROBLEMS)}
    faults = [
        f"problem {number} is not what its history makes of it"
        for number in sorted(rows.keys() & problems)
        if rows[number] != problems[number]
    ]
    faults += [f"problem {number} has a history and is not on the list" for number in sorted(problems.keys() - rows)]
    return faults + [f"problem {number} has no history" for number in sorted(rows.keys() - problems)]


_STEPS = text("SELECT * FROM problem_step ORDER BY step")
_END = text("SELECT steps, problems, hash FROM problem_chain")
_PROBLEMS = text("SELECT * FROM problem ORDER BY problem_id")
