"""The rows of figures: read as far as decisions need it, and written with every revision kept."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, text

from fourones_aggregation.arrays import booleans, days, numbers, texts
from fourones_aggregation.domain.differences import Known, Revision
from fourones_aggregation.rollups import Stamp

FigureKey = tuple[int, int, int, int]
"""Indicator, organisation, cluster, period, by number."""

Winner = tuple[FigureKey, Revision, bool]
"""A figure's new current revision, and whether the catalogue excludes it."""


def lock_organisations(connection: Connection, org_ids: Sequence[int]) -> None:
    """Let nobody else decide about these organisations' figures until the transaction ends.

    One partition holds an organisation's events, so this never waits; it guards the day when partitions are added
    or an event is replayed by hand.
    """
    connection.execute(_LOCK_ORGANISATIONS, {"space": ADVISORY_SPACE, "orgs": numbers(sorted(org_ids))})


def read_figures(connection: Connection, keys: Sequence[FigureKey]) -> dict[FigureKey, Known]:
    """The current revisions of those that exist."""
    found = connection.execute(_READ, key_arrays(keys))
    return {keys[place - 1]: Known(*known) for place, *known in found}


def write_figures(
    connection: Connection,
    winners: Sequence[Winner],
    replaced: Sequence[FigureKey],
    late: Sequence[tuple[FigureKey, Revision]],
    mark: Stamp,
) -> None:
    """Put revisions in force, move those they replace to the history, and add late ones to it.

    Args:
        connection: in the transaction that holds the organisations.
        winners: new current revisions.
        replaced: those of them whose stored revision moves to the history.
        late: revisions that never were or no longer are the newest.
        mark: snapshot and time of the write.
    """
    stamped = {"at": mark.at, "snapshot": mark.snapshot}
    if replaced:
        connection.execute(_KEEP_REPLACED, key_arrays(replaced))
    if late:
        arrays = key_arrays([key for key, _ in late]) | revision_arrays([revision for _, revision in late])
        connection.execute(_KEEP_LATE, arrays | stamped)
    if winners:
        arrays = key_arrays([key for key, _, _ in winners]) | revision_arrays([r for _, r, _ in winners])
        connection.execute(_PUT, arrays | stamped | {"excluded": booleans(e for _, _, e in winners)})


# Any number that no other advisory lock of this database uses as its first half.
ADVISORY_SPACE = 4101


def key_arrays(keys: Sequence[FigureKey]) -> dict[str, str]:
    """Parameters of `KEYS`."""
    columns = zip(*keys, strict=True)
    return {f"k{n}": numbers(column) for n, column in enumerate(columns)}


def revision_arrays(revisions: Sequence[Revision]) -> dict[str, str]:
    """Parameters of `REVISION`."""
    sequences, values, statuses, withdrawn, submissions, reporters, accepted, notes, justifications = zip(
        *revisions, strict=True
    )
    return {
        "sequences": numbers(sequences),
        "values": numbers(values),
        "statuses": texts(statuses),
        "withdrawn": booleans(withdrawn),
        "notes": texts(notes),
        "justifications": texts(justifications),
        "submissions": texts(submissions),
        "reporters": texts(reporters),
        "accepted": days(accepted),
    }


KEYS = "CAST(:k0 AS int[]), CAST(:k1 AS int[]), CAST(:k2 AS int[]), CAST(:k3 AS int[])"
KEY_NAMES = "indicator_id, org_id, cluster_id, period_id"
REVISION = (
    "CAST(:sequences AS bigint[]), CAST(:values AS numeric[]), CAST(:statuses AS text[]),"
    " CAST(:withdrawn AS boolean[]), CAST(:notes AS text[]), CAST(:justifications AS text[]),"
    " CAST(:submissions AS text[]), CAST(:reporters AS text[]), CAST(:accepted AS timestamptz[])"
)
REVISION_NAMES = "sequence, value, status, withdrawn, note, justification, submission_id, reported_by, accepted_at"
_HISTORY = f"{KEY_NAMES}, {REVISION_NAMES}, applied_at, snapshot"

_LOCK_ORGANISATIONS = text("SELECT pg_advisory_xact_lock(:space, org) FROM unnest(CAST(:orgs AS int[])) AS org")
# The places of the keys are all that comes back of them: fewer bytes, and no dictionary of rows to build.
_READ = text(
    f"SELECT k.place, f.sequence, f.value, f.status, f.withdrawn, f.excluded FROM unnest({KEYS})"  # noqa: S608
    f" WITH ORDINALITY AS k ({KEY_NAMES}, place) JOIN figure f USING ({KEY_NAMES})"
)
_KEEP_REPLACED = text(
    f"INSERT INTO figure_revision ({_HISTORY}) SELECT {_HISTORY} FROM unnest({KEYS}) AS k ({KEY_NAMES})"  # noqa: S608
    f" JOIN figure f USING ({KEY_NAMES}) ON CONFLICT DO NOTHING"
)
_KEEP_LATE = text(
    f"INSERT INTO figure_revision ({_HISTORY})"  # noqa: S608
    f" SELECT r.*, :at, :snapshot FROM unnest({KEYS}, {REVISION}) AS r ON CONFLICT DO NOTHING"
)
_PUT = text(
    f"INSERT INTO figure AS f ({_HISTORY}, excluded)"  # noqa: S608
    f" SELECT {KEY_NAMES}, {REVISION_NAMES}, :at, :snapshot, excluded"
    f" FROM unnest({KEYS}, {REVISION}, CAST(:excluded AS boolean[]))"
    f" AS r ({KEY_NAMES}, {REVISION_NAMES}, excluded)"
    f" ON CONFLICT ({KEY_NAMES}) DO UPDATE SET sequence = excluded.sequence, value = excluded.value,"
    " status = excluded.status, withdrawn = excluded.withdrawn, note = excluded.note,"
    " justification = excluded.justification, submission_id = excluded.submission_id,"
    " reported_by = excluded.reported_by, accepted_at = excluded.accepted_at, applied_at = excluded.applied_at,"
    " snapshot = excluded.snapshot, excluded = excluded.excluded WHERE f.sequence < excluded.sequence"
)
