"""Where a consumer group is in its topics: the SQL of the consumer loop.

The table is the service's own, made of `PositionColumns`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from kafka import TopicPartition
from sqlalchemy import Connection, text

from fourones_shared.errors import Stop


@dataclass(frozen=True, slots=True)
class Identity:
    """The cluster's id and its topics' ids by name: a recreated topic has the old name and another id."""

    cluster: str
    topics: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Positions:
    """The positions of one group, in the table `consumer_position`."""

    group: str

    def stored(
        self, connection: Connection, partitions: Iterable[TopicPartition], identity: Identity
    ) -> dict[TopicPartition, int]:
        """The next offset of each partition; 0, and a row, for one that this group has never read.

        Raises:
            Stop: when the topic is another one than the position was made in.
        """
        wanted = sorted(partitions)
        connection.execute(
            _NEW,
            self._of(wanted) | {"cluster": identity.cluster, "ids": [identity.topics[tp.topic] for tp in wanted]},
        )
        positions = {}
        for row in connection.execute(_READ, self._of(wanted)):
            if (row.cluster_id, row.topic_id) != (identity.cluster, identity.topics[row.topic]):
                raise Stop(
                    f"{row.topic} is not the topic that {self.group} has read before (it was recreated, or the "
                    "broker is another one): its stored position would skip records. Restore the topic, or delete "
                    "its rows in consumer_position to read the new one from its beginning"
                )
            positions[TopicPartition(row.topic, row.partition)] = row.next_offset
        return positions

    def locked(self, connection: Connection, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """The same, locked until the transaction ends.

        Always in the same order, so that two workers in the moment of a rebalance wait instead of deadlocking.

        Raises:
            Stop: when a row is gone: somebody has reset the group while it was working.
        """
        wanted = sorted(partitions)
        rows = connection.execute(_LOCK, self._of(wanted))
        positions = {TopicPartition(row.topic, row.partition): row.next_offset for row in rows}
        if len(positions) != len(wanted):
            raise Stop(f"positions of {self.group} were deleted while it was working: it begins anew where they say")
        return positions

    def move(self, connection: Connection, reach: Mapping[TopicPartition, int]) -> None:
        """Set the next offsets."""
        if reach:
            wanted = sorted(reach)
            connection.execute(_MOVE, self._of(wanted) | {"offsets": [reach[tp] for tp in wanted]})

    def _of(self, partitions: list[TopicPartition]) -> dict[str, Any]:
        return {
            "group": self.group,
            "topics": [tp.topic for tp in partitions],
            "partitions": [tp.partition for tp in partitions],
        }


_NEW = text(
    "INSERT INTO consumer_position (consumer_group, topic, partition, next_offset, cluster_id, topic_id)"
    " SELECT :group, topic, partition, 0, :cluster, topic_id"
    " FROM unnest(CAST(:topics AS text[]), CAST(:partitions AS integer[]), CAST(:ids AS text[]))"
    " AS wanted (topic, partition, topic_id) ON CONFLICT DO NOTHING"
)
_READ = text(
    "SELECT topic, partition, next_offset, cluster_id, topic_id FROM consumer_position"
    " JOIN unnest(CAST(:topics AS text[]), CAST(:partitions AS integer[])) AS wanted (topic, partition)"
    " USING (topic, partition) WHERE consumer_group = :group"
)
_LOCK = text(
    "SELECT topic, partition, next_offset FROM consumer_position AS position"
    " JOIN unnest(CAST(:topics AS text[]), CAST(:partitions AS integer[])) AS wanted (topic, partition)"
    " USING (topic, partition) WHERE consumer_group = :group"
    " ORDER BY topic, partition FOR UPDATE OF position"
)
_MOVE = text(
    "UPDATE consumer_position AS position SET next_offset = wanted.next_offset"
    " FROM unnest(CAST(:topics AS text[]), CAST(:partitions AS integer[]), CAST(:offsets AS bigint[]))"
    " AS wanted (topic, partition, next_offset)"
    " WHERE consumer_group = :group AND position.topic = wanted.topic AND position.partition = wanted.partition"
)
