"""`rebuild`: the figures made anew from the log, on a live system.

    1. replay the log into a temporary table, while the workers go on;
    2. hold the catalogue in force alone, so that no batch runs, and replay the little that is left;
    3. put the tables right where they differ, and recompute duties, exclusions and roll-ups as a switch over every
       indicator does; commit.

Until the commit nobody sees any of it, and a kill leaves everything as it was. Positions, history and what was known
when are not touched: a revision that is known keeps its snapshot and time, and only what differs gets a new version.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import structlog
from sqlalchemy import Connection, Engine, text

from fourones_aggregation.comparing import Differences, compare
from fourones_aggregation.dimensions import Dimensions
from fourones_aggregation.figures import KEY_NAMES, REVISION_NAMES
from fourones_aggregation.replaying import Log, LogLost, Progress, replaying
from fourones_aggregation.rollups import stamp
from fourones_aggregation.switching import CatalogueSwitch
from fourones_shared.domain.clock import Clock
from fourones_shared.errors import Rejected
from fourones_shared.events.model import Cause

log = structlog.get_logger(__name__)


class RebuildRuns(Rejected):
    """Another rebuild is at work."""


class NothingToRebuild(Rejected):
    """No catalogue is in force, so no submission can have been applied."""


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What a rebuild has done.

    Attributes:
        replayed: figures read from the log.
        added, removed, changed: figures and revisions that the tables lacked, had too many, or had otherwise.
        kept_without_log: those that only the tables have, the log having lost its beginning.
        rollups: how many got a new version.
    """

    replayed: int
    added: int
    removed: int
    changed: int
    kept_without_log: int
    rollups: int


class Rebuild:
    """Rebuilds, one at a time.

    Args:
        engine: the service's database.
        log: the topic of figures.
        dimensions: numbers of codes.
        switch: recomputes everything that follows from the figures.
        clock: the time of what is put right.
        progress: told after every poll.
    """

    def __init__(
        self,
        *,
        engine: Engine,
        log: Log,
        dimensions: Dimensions,
        switch: CatalogueSwitch,
        clock: Clock,
        progress: Callable[[Progress], None] = lambda _: None,
    ) -> None:
        self._engine = engine
        self._log = log
        self._dimensions = dimensions
        self._switch = switch
        self._clock = clock
        self._progress = progress

    def run(self, *, partial: bool = False) -> Rebuilt:
        """Rebuild.

        Args:
            partial: where the log has lost its beginning, keep what only the tables have; without it that is refused.

        Raises:
            Rejected: when it cannot be done; everything is as it was.
            Retry, KafkaError, DBAPIError: when broker or database is away; run it again.
        """
        with replaying(self._engine, self._log, self._dimensions, self._progress) as replay:
            with replay.within("READ COMMITTED") as connection:
                if not connection.execute(_TRY_LOCK).scalar_one():
                    raise RebuildRuns("another rebuild is at work; wait for it")
            replay.read()
            if replay.lost and not partial:
                raise LogLost(_lost(self._log.topic, replay.lost))
            with replay.within("READ COMMITTED") as connection:
                version = connection.execute(_HOLD_CATALOGUE).scalar_one_or_none()
                if not version:
                    raise NothingToRebuild("no catalogue is in force here: nothing has been applied")
                log.info("no batch runs: putting right what differs")
                found = compare(connection, replay)
                if found.number:
                    self._put_right(connection, version)
                mark = self._switch.again(connection, Cause.REVISION)
                rollups: int = connection.execute(_MOVED, {"snapshot": mark.snapshot}).scalar_one()
            log.info("committed: batches go on")
        return _rebuilt(replay.figures, found, rollups)

    def _put_right(self, connection: Connection, version: int) -> None:
        mark = stamp(connection, self._clock, version)
        connection.execute(_PREPARE, {"snapshot": mark.snapshot, "at": mark.at})
        for statement in (_REMOVE_FIGURES, _REMOVE_REVISIONS, _ADD_FIGURES, _ADD_REVISIONS):
            connection.execute(statement)


def _lost(topic: str, lost: dict[int, int]) -> str:
    begins = ", ".join(f"{topic}/{partition} begins at {offset}" for partition, offset in sorted(lost.items()))
    return (
        f"the log has lost its beginning ({begins}): what was reported there can only be kept as it is stored."
        " Restore the topic, or rebuild with --partial, which removes nothing"
    )


def _rebuilt(replayed: int, found: Differences, rollups: int) -> Rebuilt:
    return Rebuilt(
        replayed=replayed,
        added=found.missing,
        removed=found.surplus,
        changed=found.other,
        kept_without_log=found.unknown,
        rollups=rollups,
    )


_HISTORY = f"{KEY_NAMES}, {REVISION_NAMES}, applied_at, snapshot"


def _same(one: str, other: str) -> str:
    return " AND ".join(f"{one}.{name.strip()} = {other}.{name.strip()}" for name in KEY_NAMES.split(","))


# Session level: it goes with the connection.
_TRY_LOCK = text("SELECT pg_try_advisory_lock(hashtextextended('aggregation:rebuild', 0))")
_MOVED = text("SELECT count(*) FROM rollup WHERE snapshot = :snapshot")
_HOLD_CATALOGUE = text("SELECT version FROM catalogue_in_force FOR UPDATE")
# What has vanished was applied together with the rest of its submission, which tells when. A submission of which
# nothing is left is known from now on.
_PREPARE = text(
    "CREATE TEMPORARY TABLE put ON COMMIT DROP AS"  # noqa: S608
    " WITH due AS MATERIALIZED (SELECT d.standing, r.* FROM difference d"
    f" JOIN replayed r ON {_same('r', 'd')} AND r.sequence = d.due),"
    " together AS (SELECT k.submission_id, k.sequence, min(k.applied_at) AS applied_at, min(k.snapshot) AS snapshot"
    " FROM (SELECT submission_id, sequence, applied_at, snapshot FROM figure"
    " UNION ALL SELECT submission_id, sequence, applied_at, snapshot FROM figure_revision) k"
    " WHERE (k.submission_id, k.sequence) IN (SELECT submission_id, sequence FROM due) GROUP BY 1, 2)"
    " SELECT due.*, coalesce(least(f.applied_at, v.applied_at), t.applied_at, :at) AS applied_at,"
    " coalesce(least(f.snapshot, v.snapshot), t.snapshot, :snapshot) AS snapshot FROM due"
    f" LEFT JOIN figure f ON {_same('f', 'due')} AND f.sequence = due.sequence"
    f" LEFT JOIN figure_revision v ON {_same('v', 'due')} AND v.sequence = due.sequence"
    " LEFT JOIN together t ON t.submission_id = due.submission_id AND t.sequence = due.sequence"
)
_REMOVE_FIGURES = text(
    f"DELETE FROM figure f USING difference d WHERE d.standing AND d.kept IS NOT NULL AND {_same('f', 'd')}"  # noqa: S608
)
_REMOVE_REVISIONS = text(
    "DELETE FROM figure_revision f USING difference d WHERE NOT d.standing AND d.kept = f.sequence"  # noqa: S608
    f" AND {_same('f', 'd')}"
)
# A figure counts exactly when its duty is there; should the duties be damaged too, both are seen to afterwards.
_ADD_FIGURES = text(
    f"INSERT INTO figure ({_HISTORY}, excluded) SELECT {_HISTORY},"  # noqa: S608
    f" NOT EXISTS (SELECT FROM duty d WHERE {_same('d', 'put')}) FROM put WHERE standing"
)
_ADD_REVISIONS = text(f"INSERT INTO figure_revision ({_HISTORY}) SELECT {_HISTORY} FROM put WHERE NOT standing")  # noqa: S608
