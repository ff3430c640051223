"""What came of the figures that fell due, counted in the database: millions of figures make a row per duty-holder."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, text

from fourones_submission.domain.punctuality import Came, FellDue
from fourones_submission.storage.arrays import array
from fourones_submission.storage.figures import milliseconds_of


def what_came(connection: Connection, duties: FellDue) -> Mapping[str, Came]:
    """By duty-holder: the figures that came; those of whom none did are absent.

    The rows are found by the table's key, so that the cost grows with what fell due, not with the years before it.
    """
    holders = duties.holders.items()
    values = {
        "indicator": duties.indicator.id,
        "orgs": array(duties.orgs),
        "may_not_apply": array(duties.indicator.reporting.may_not_apply),
        "clusters": array(cluster for cluster, _ in holders),
        # Unquoted, it is SQL's own; no id is written in capitals.
        "holders": array(holder or "NULL" for _, holder in holders),
        "periods": array(duties.due_at),
        "moments": array(str(milliseconds_of(moment)) for moment in duties.due_at.values()),
    }
    rows = connection.execute(_CAME, values)
    return {row.holder: Came(row.on_time, row.late, row.not_applicable) for row in rows}


# OFFSET 0 keeps the planner from looking every figure up once more in each of the counts: half the time.
_CAME = text(
    "SELECT coalesce(asked.holder, known.org) AS holder,"
    " count(*) FILTER (WHERE figure.stands AND coalesce(figure.since < due.moment, true)) AS on_time,"
    " count(*) FILTER (WHERE figure.stands AND figure.since >= due.moment) AS late,"
    " count(*) FILTER (WHERE figure.status = 'M' AND known.org = ANY(CAST(:may_not_apply AS text[])))"
    " AS not_applicable"
    " FROM unnest(CAST(:periods AS text[]), CAST(:moments AS bigint[])) AS due (period, moment)"
    " JOIN figure_current AS known ON known.indicator = :indicator AND known.period = due.period"
    " AND known.org = ANY(CAST(:orgs AS text[]))"
    " CROSS JOIN unnest(CAST(:clusters AS text[]), CAST(:holders AS text[])) AS asked (cluster, holder)"
    " CROSS JOIN LATERAL (SELECT known.figures -> asked.cluster ->> 1 AS status,"
    " known.figures -> asked.cluster ->> 1 IN ('A', 'P', 'E', 'F') AS stands,"
    " CAST(known.since ->> asked.cluster AS bigint) AS since OFFSET 0) AS figure"
    " GROUP BY 1"
)
