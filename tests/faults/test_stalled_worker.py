"""A worker that is stopped in the middle of publishing, and replaced, leaves no older roll-up behind when it wakes."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest
from faults.accounts import Accounts, check_nothing_waits, check_published, wait_until_more_is_applied
from faults.killing import Victims
from faults.posting import ORGANISATIONS, SCALE, Figure, Poster, a_figure, join, verify, wait_applied
from kafka import KafkaConsumer, TopicPartition
from support.records import read_committed
from support.system import SystemClient
from support.waiting import eventually

from fourones_local.stack import Stack
from fourones_shared.kafka.outbox import partition_for
from fourones_shared.topics import all_topics

pytestmark = pytest.mark.faults

TOPIC = all_topics()["rollups-changed"]
PLACE = TopicPartition(TOPIC.name, partition_for(SCALE.encode(), TOPIC.partitions))
CLUSTER, PERIOD = "new-materials", "2023-03"
PAUSE_S = 0.1


def test_a_worker_that_stalls_while_it_publishes_leaves_nothing_older_behind(
    whole_system: Stack, system: SystemClient, victims: Victims
) -> None:
    enough = threading.Event()

    def submissions() -> Iterator[list[Figure]]:
        for number in itertools.count(1):
            if enough.wait(PAUSE_S):
                return
            yield [a_figure(CLUSTER, PERIOD, f"{number}.5")]

    posters = [Poster(system, org, submissions) for org in ORGANISATIONS]
    for poster in posters:
        poster.start()
    try:
        eventually(lambda: all(len(poster.acknowledged) >= 5 for poster in posters))
        abandoned: set[int] = set()
        # It may have been stopped when its commit was under way; then there is nothing to be seen, and once more.
        while not abandoned:
            abandoned = _replace_while_stalled(whole_system, victims)
            victims.wait_ready()
    finally:
        enough.set()
    join(posters)

    wait_applied(system, posters)
    check_nothing_waits(whole_system)
    # What it had sent when it was stopped is older than what its successor sent after it, and never comes to light.
    assert not abandoned & _committed(whole_system)
    accounts = Accounts(posters)
    accounts.check_figures(system)
    accounts.check_totals(system, PERIOD)
    check_published(whole_system)
    verify(whole_system)


def _replace_while_stalled(stack: Stack, victims: Victims) -> set[int]:
    """Stop the worker that publishes, let the other publish what is newer, and let it go on.

    Returns:
        Offsets of what the stopped one had sent, and readers of committed records had not seen when it went on.
    """
    stalled = victims.publisher()
    with ExitStack() as held:
        sent = _stop_in_a_transaction(stack, victims, stalled, held)
        victims.take_for_dead(stalled)
        eventually(lambda: victims.publisher() != stalled, within_s=120)
        wait_until_more_is_applied(stack)
        with stack.postgres.connect("aggregation") as connection:
            [newer] = connection.execute("SELECT clock_timestamp()").fetchall()
            waiting = "SELECT count(*) FROM rollup_pending WHERE since < %s"
            eventually(lambda: connection.execute(waiting, newer).fetchall() == [(0,)], within_s=120)
        return sent - _committed(stack)


def _stop_in_a_transaction(stack: Stack, victims: Victims, name: str, held: ExitStack) -> set[int]:
    """Stop a program at a moment at which it has sent roll-ups that Kafka has not committed: the offsets of these."""

    def stop() -> set[int] | None:
        with ExitStack() as attempt:
            attempt.enter_context(victims.stalled(name))
            # A reader of committed records gets no further than to the first record of an open transaction.
            uncommitted = set(range(_end(stack, "read_committed"), _end(stack, "read_uncommitted")))
            if uncommitted:
                held.push(attempt.pop_all())
            return uncommitted

    return eventually(stop, within_s=120)


def _committed(stack: Stack) -> set[int]:
    records = read_committed(stack.kafka.bootstrap, "", TOPIC.name).records
    return {record.offset for record in records if record.partition == PLACE.partition}


def _end(stack: Stack, isolation: str) -> int:
    with closing(
        KafkaConsumer(bootstrap_servers=stack.kafka.bootstrap, isolation_level=isolation, enable_auto_commit=False)
    ) as consumer:
        return int(consumer.end_offsets([PLACE])[PLACE])
