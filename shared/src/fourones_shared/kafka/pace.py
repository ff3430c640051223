"""How soon a loop goes round again.

A round of a relay or a consumer costs transactions of the database and of Kafka, for one record as for fifty; what
comes while a loop rests shares the next one. So a loop rests as long as it has worked: on a machine that has much to do
rounds become fewer and larger by themselves.
"""

from __future__ import annotations

# Nobody notices a figure that comes a quarter of a second later on a machine that has much to do.
LONGEST_REST_S = 0.25
# So many share a round's fixed costs as well as any number does.
ENOUGH = 50


def rest_s(*, worked_s: float, records: int, least_s: float) -> float:
    """How long to rest after a round, seconds.

    Args:
        worked_s: what the round took.
        records: how many records were in it.
        least_s: the least time from the beginning of one round to that of the next.
    """
    share = min(worked_s, LONGEST_REST_S) if records < ENOUGH else 0.0
    return max(least_s - worked_s, share, 0.0)
