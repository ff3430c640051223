"""The replayed log held against the stored figures and revisions, both ways.

What differs lies in the temporary table `difference`, one row for each figure or revision: `kept` is the sequence that
is stored there, `due` the one that the log says, each absent where the other side has nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, Row, text

from fourones_aggregation.dimensions import Dimensions
from fourones_aggregation.figures import KEY_NAMES, REVISION_NAMES
from fourones_aggregation.replaying import Log, Progress, Replay, replaying
from fourones_aggregation.verification import MOST_TOLD, SNAPSHOT, Difference, Findings

_CONTENT = [name.strip() for name in REVISION_NAMES.split(",")]


@dataclass(frozen=True, slots=True)
class Differences:
    """How many figures and revisions differ.

    Attributes:
        missing: the log has them and the tables do not.
        surplus: the tables have them and the log does not.
        other: both have them, with another content.
        unknown: the tables have them, and the log may have lost them; not counted as surplus.
    """

    missing: int
    surplus: int
    other: int
    unknown: int = 0

    @property
    def number(self) -> int:
        """All that are surely wrong."""
        return self.missing + self.surplus + self.other


def verify_log(
    engine: Engine, log: Log, dimensions: Dimensions, progress: Callable[[Progress], None] = lambda _: None
) -> Findings:
    """Hold the log against figures and revisions as one moment has them; the system may run meanwhile.

    A log that has lost its beginning is a difference itself, and nothing is surplus then.

    Raises:
        LogLost: when the topic is not the one that the workers have read, or ends before they have read it.
        LogUnreadable: at a record that was applied and cannot be read.
        Retry, KafkaError, DBAPIError: when broker or database is away.
    """
    with replaying(engine, log, dimensions, progress) as replay:
        replay.read()
        with replay.within("REPEATABLE READ") as connection:
            findings = Findings(connection.execute(SNAPSHOT).scalar_one())
            findings.add(
                Difference(f"{log.topic}/{partition}", f"begins at offset {begin}", "whole, from offset 0")
                for partition, begin in sorted(replay.lost.items())
            )
            found = compare(connection, replay)
            findings.first += differences(connection, MOST_TOLD - len(findings.first))
            findings.number += found.number
    return findings


def compare(connection: Connection, replay: Replay) -> Differences:
    """Read the log's end as this transaction sees it, and find what differs.

    What a log that has lost its beginning does not have is taken from the tables.

    Raises:
        LogUnreadable: at a record that was applied and cannot be read.
        Retry, KafkaError: when the broker is away.
    """
    replay.catch_up()
    replay.add_replayed_letters()
    found = _compare(connection)
    if found.surplus and replay.add_what_lies_ahead():
        found = _compare(connection)
    if found.surplus and replay.lost:
        replay.add_all_that_is_stored()
        surplus, found = found.surplus, _compare(connection)
        return Differences(found.missing, found.surplus, found.other, surplus - found.surplus)
    return found


def differences(connection: Connection, at_most: int) -> Iterator[Difference]:
    """The first of those that `compare` has found in this transaction, by what they are about."""
    for row in connection.execute(_TELL, {"at_most": at_most}):
        what = "figure" if row.standing else "revision"
        sequence = "" if row.standing else f" {row.due if row.kept is None else row.kept}"
        yield Difference(f"{what} {row.indicator} {row.org} {row.cluster} {row.period}{sequence}", *_told(row))


def _compare(connection: Connection) -> Differences:
    connection.execute(_FORGET)
    connection.execute(_COMPARE)
    connection.execute(_ANALYZE)
    row = connection.execute(_COUNT).one()
    return Differences(row.missing, row.surplus, row.other)


def _told(row: Row[Any]) -> tuple[str, str]:
    """What is kept and what should be, as far as they differ."""
    if row.kept is None:
        return "missing", _in_words(row, "due", _CONTENT[:4])
    if row.due is None:
        return _in_words(row, "kept", _CONTENT[:4]), "not there: the log has none"
    other = [name for name in _CONTENT if getattr(row, f"kept_{name}") != getattr(row, f"due_{name}")]
    return _in_words(row, "kept", other), _in_words(row, "due", other)


def _in_words(row: Row[Any], side: str, names: list[str]) -> str:
    return ", ".join(f"{name} {getattr(row, f'{side}_{name}')}" for name in names)


def _of(alias: str, names: str) -> str:
    return ", ".join(f"{alias}.{name.strip()}" for name in names.split(","))


_FORGET = text("DROP TABLE IF EXISTS pg_temp.difference")
_COMPARE = text(
    "CREATE TEMPORARY TABLE difference ON COMMIT DROP AS"  # noqa: S608
    f" WITH newest AS MATERIALIZED (SELECT {KEY_NAMES}, max(sequence) AS newest FROM replayed GROUP BY {KEY_NAMES}),"
    f" standing AS (SELECT r.* FROM replayed r JOIN newest n USING ({KEY_NAMES}) WHERE r.sequence = n.newest),"
    f" past AS (SELECT r.* FROM replayed r JOIN newest n USING ({KEY_NAMES}) WHERE r.sequence < n.newest)"
    f" SELECT true AS standing, {KEY_NAMES}, f.sequence AS kept, r.sequence AS due"
    f" FROM standing r FULL JOIN figure f USING ({KEY_NAMES})"
    f" WHERE ({_of('r', REVISION_NAMES)}) IS DISTINCT FROM ({_of('f', REVISION_NAMES)})"
    f" UNION ALL SELECT false, {KEY_NAMES}, f.sequence, r.sequence"
    f" FROM past r FULL JOIN figure_revision f USING ({KEY_NAMES}, sequence)"
    f" WHERE ({_of('r', REVISION_NAMES)}) IS DISTINCT FROM ({_of('f', REVISION_NAMES)})"
)
# What is damaged may be one figure or all of them, and whoever joins with it must know.
_ANALYZE = text("ANALYZE difference")
_COUNT = text(
    "SELECT count(*) FILTER (WHERE kept IS NULL) AS missing, count(*) FILTER (WHERE due IS NULL) AS surplus,"
    " count(*) FILTER (WHERE kept IS NOT NULL AND due IS NOT NULL) AS other FROM difference"
)
_SIDES = ", ".join(
    f"CASE WHEN d.standing THEN f.{name} ELSE v.{name} END AS kept_{name}, r.{name} AS due_{name}" for name in _CONTENT
)
# A number without its code is damage of another table; the row is told all the same.
_TELL = text(
    "SELECT d.standing, d.kept, d.due, coalesce(i.code, '#' || d.indicator_id) AS indicator,"  # noqa: S608
    " coalesce(o.code, '#' || d.org_id) AS org, coalesce(c.code, '#' || d.cluster_id) AS cluster,"
    f" coalesce(p.code, '#' || d.period_id) AS period, {_SIDES} FROM difference d"
    f" LEFT JOIN figure f ON ({_of('f', KEY_NAMES)}) = ({_of('d', KEY_NAMES)})"
    f" LEFT JOIN figure_revision v ON ({_of('v', KEY_NAMES)}, v.sequence) = ({_of('d', KEY_NAMES)}, d.kept)"
    f" LEFT JOIN replayed r ON ({_of('r', KEY_NAMES)}, r.sequence) = ({_of('d', KEY_NAMES)}, d.due)"
    " LEFT JOIN indicator i ON i.indicator_id = d.indicator_id LEFT JOIN organisation o ON o.org_id = d.org_id"
    " LEFT JOIN cluster c ON c.cluster_id = d.cluster_id LEFT JOIN period p ON p.period_id = d.period_id"
    " ORDER BY indicator, org, cluster, period, d.standing DESC, coalesce(d.kept, d.due) LIMIT :at_most"
)
