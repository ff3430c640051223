"""The log of figures, `figures-submitted`, replayed from its beginning into a temporary table of one connection.

`rebuild` and `verify` hold it against the tables. What counts is what the workers have applied: the records below their
positions, without those that were set aside, and of these what operators have replayed, as it was then. All revisions
are put down, and of a figure the one with the highest sequence stands, so that neither the worker's decisions nor its
statements have any part in it.

A temporary table goes with its connection: whoever is killed leaves nothing behind.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, Engine, text

from fourones_aggregation.dimensions import Dimensions
from fourones_aggregation.domain.differences import Revision
from fourones_aggregation.figures import KEY_NAMES, KEYS, REVISION, REVISION_NAMES, key_arrays, revision_arrays
from fourones_shared.dead_letters.keeping import headers_of
from fourones_shared.domain.periods import Period
from fourones_shared.errors import DeadLetter, Rejected
from fourones_shared.events.envelope import Envelope, unwrap
from fourones_shared.events.model import FiguresSubmitted, FigureSubmitted
from fourones_shared.kafka.positions import Identity
from fourones_shared.kafka.reading import Reach, TopicReader

# About the size of a worker's batch; a statement's arrays stay at a few megabytes.
FIGURES_AT_ONCE = 10_000
# Sorting and joining every figure spills to disk below this, and nothing else runs in the session.
SESSION_MEMORY = ("SET temp_buffers = '64MB'", "SET work_mem = '64MB'")

# Offsets that are read while workers wait: a fraction of a second.
LITTLE = 1_000

Isolation = Literal["READ COMMITTED", "REPEATABLE READ"]
Decode = Callable[[Envelope], FiguresSubmitted]


class LogLost(Rejected):
    """The topic no longer has what the workers have applied."""


class LogUnreadable(Rejected):
    """A record that was applied cannot be read now."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the log has been read: offsets, of how many, and the figures in them."""

    done: int
    of: int
    figures: int


@dataclass(frozen=True, slots=True)
class Log:
    """The topic of figures as one installation has it.

    Attributes:
        reader: of its records.
        identity: ids of its cluster and of itself.
        group: the consumer group that applies it, with its prefix.
        topic: its name, with the prefix.
        decode: reads an event as the worker does.
    """

    reader: TopicReader
    identity: Identity
    group: str
    topic: str
    decode: Decode

    def reaches(self) -> Mapping[int, Reach]:
        """How far each partition reaches now."""
        return self.reader.reaches(FiguresSubmitted.TOPIC)

    def records(self, partition: int, span: Reach) -> Iterator[list[Any]]:
        """The records of a stretch, a poll's at a time."""
        return self.reader.stretch(FiguresSubmitted.TOPIC, partition, span.begin, span.end)


@contextmanager
def replaying(
    engine: Engine,
    log: Log,
    dimensions: Dimensions,
    progress: Callable[[Progress], None] = lambda _: None,
) -> Iterator[Replay]:
    """A replay on a connection of its own, which is closed with it.

    Args:
        engine: the service's database.
        log: the topic.
        dimensions: numbers of codes, learnt over other connections.
        progress: told after every poll.

    Raises:
        LogLost: when the topic is not the one that the workers have read, or ends before they have read it.
        Retry, KafkaError: when the broker is away.
    """
    with engine.connect() as connection:
        try:
            yield Replay(connection, log, dimensions, progress)
        finally:
            # Not back into the pool: its settings, its table and its locks are for this alone.
            if not connection.invalidated:
                connection.invalidate()


class Replay:
    """Reads the log into the table `replayed`, further and further.

    Made by `replaying`. `read` reads most of it; then `within` gives the transaction in which its end is read and held
    against the tables.
    """

    def __init__(
        self, connection: Connection, log: Log, dimensions: Dimensions, progress: Callable[[Progress], None]
    ) -> None:
        self._connection = connection
        self._log = log
        self._dimensions = dimensions
        self._progress = progress
        self._at: dict[int, int] = {}
        self.figures = 0
        self.lost: dict[int, int] = {}
        """Partitions that do not begin at offset 0 any more, and at which they begin."""

    def read(self) -> None:
        """Read to where little is left, without a transaction: one that lasts so long keeps others from vacuuming.

        Raises:
            LogLost: when the topic is not the one that the workers have read, or ends before they have read it.
            LogUnreadable: at a record that was applied and cannot be read.
            Retry, KafkaError: when the broker is away.
        """
        self._connection.execution_options(isolation_level="AUTOCOMMIT")
        self._begin()
        before, left = float("inf"), self.catch_up()
        # Workers that are as quick as this would be followed for ever.
        while LITTLE < left < before:
            before, left = left, self.catch_up()
        self._connection.execute(_ANALYZE)
        self._connection.commit()

    @contextmanager
    def within(self, isolation_level: Isolation) -> Iterator[Connection]:
        """A transaction on the replay's connection."""
        self._connection.execution_options(isolation_level=isolation_level)
        with self._connection.begin():
            yield self._connection

    def _begin(self) -> None:
        for setting in SESSION_MEMORY:
            self._connection.execute(text(setting))
        self._connection.execute(_CREATE)
        for row in self._connection.execute(_POSITIONS, self._named()):
            if (row.cluster_id, row.topic_id) != (self._log.identity.cluster, self._log.identity.topics[row.topic]):
                raise LogLost(
                    f"{row.topic} is not the topic that {self._log.group} has read (it was recreated, or the broker is"
                    " another one): it says nothing about these figures. Restore the topic"
                )
        reaches = self._log.reaches()
        self.lost = {partition: reach.begin for partition, reach in reaches.items() if reach.begin > 0}
        self._at = {partition: reach.begin for partition, reach in reaches.items()}
        for partition, position in self._positions().items():
            if position > reaches[partition].end:
                raise LogLost(
                    f"{self._log.topic}/{partition} ends at {reaches[partition].end}, but {self._log.group} has read up"
                    f" to {position}: the topic has lost records. Restore it"
                )

    def catch_up(self) -> int:
        """Read on to the positions of the workers as the connection sees them now.

        Returns:
            How many offsets that were.

        Raises:
            LogUnreadable: at a record that was applied and cannot be read.
            Retry, KafkaError: when the broker is away.
        """
        spans = {
            partition: Reach(self._at[partition], position)
            for partition, position in self._positions().items()
            if position > self._at[partition]
        }
        # After the positions, in whose transactions they were set aside: none that matters is missing.
        aside = self._set_aside()
        of = sum(span.end - span.begin for span in spans.values())
        done = 0
        for partition, span in spans.items():
            for records in self._log.records(partition, span):
                self._put(event for record in records if (event := self._applied(record, aside)) is not None)
                self._progress(Progress(done + records[-1].offset + 1 - span.begin, of, self.figures))
            done += span.end - span.begin
            self._at[partition] = span.end
            self._progress(Progress(done, of, self.figures))
        return of

    def add_replayed_letters(self) -> None:
        """Add what operators have replayed of the records that were set aside; once, after the last stretch.

        Every replay has taken effect, also of a record that was set aside again when its topic was read again.

        Raises:
            LogUnreadable: when one cannot be read now.
        """
        for row in self._connection.execute(_REPLAYED_LETTERS, {"topic": self._log.topic}):
            try:
                event = self._log.decode(unwrap(bytes(row.value), headers_of(row.headers)))
            except DeadLetter as error:
                raise LogUnreadable(
                    f"dead letter {row.dead_letter_id} was replayed and cannot be read by this release: {error}"
                ) from error
            self._put([event])

    def add_what_lies_ahead(self) -> bool:
        """Add those stored revisions that the log has beyond the positions: the topic is being read again.

        Returns:
            Whether the log had any records there.
        """
        ahead = False
        for partition, reach in self._log.reaches().items():
            span = Reach(self._at.get(partition, reach.begin), reach.end)
            if span.begin >= span.end:
                continue
            for records in self._log.records(partition, span):
                ahead = True
                readable = (event for record in records if (event := self._readable(record)) is not None)
                self._put(readable, stored_only=True)
        return ahead

    def add_all_that_is_stored(self) -> None:
        """Add every stored revision that the log does not have, as it is stored."""
        self._connection.execute(_ADD_STORED)

    # -- records ---------------------------------------------------------------------------------------------------

    def _applied(self, record: Any, aside: Mapping[tuple[int, int], set[str]]) -> FiguresSubmitted | None:
        place = (record.partition, record.offset)
        # By contents too: of a topic that was recreated, letters of the former one may have the same place.
        if place in aside and _digest(record.key, record.value) in aside[place]:
            return None
        try:
            return self._log.decode(unwrap(record.value, record.headers))
        except DeadLetter as error:
            raise LogUnreadable(
                f"{record.topic}/{record.partition}@{record.offset} was applied and cannot be read by this release:"
                f" {error}"
            ) from error

    def _readable(self, record: Any) -> FiguresSubmitted | None:
        try:
            return self._log.decode(unwrap(record.value, record.headers))
        except DeadLetter:
            return None

    def _put(self, events: Iterable[FiguresSubmitted], *, stored_only: bool = False) -> None:
        places: list[tuple[str, str, str, str]] = []
        revisions: list[Revision] = []
        for event in events:
            for figure in event.figures:
                places.append((figure.indicator, event.org, figure.cluster, Period.parse(figure.period).key))
                revisions.append(_revision(event, figure))
            if len(places) >= FIGURES_AT_ONCE:
                self._insert(places, revisions, stored_only=stored_only)
                places, revisions = [], []
        if places:
            self._insert(places, revisions, stored_only=stored_only)

    def _insert(
        self, places: Sequence[tuple[str, str, str, str]], revisions: Sequence[Revision], *, stored_only: bool
    ) -> None:
        indicators = self._dimensions.indicators.ids({p[0] for p in places})
        organisations = self._dimensions.organisations.ids({p[1] for p in places})
        clusters = self._dimensions.clusters.ids({p[2] for p in places})
        periods = self._dimensions.periods.ids({p[3] for p in places})
        keys = [(indicators[p[0]], organisations[p[1]], clusters[p[2]], periods[p[3]]) for p in places]
        arrays = key_arrays(keys) | revision_arrays(revisions)
        self._connection.execute(_PUT_STORED if stored_only else _PUT, arrays)
        if not stored_only:
            self.figures += len(keys)

    # -- the database ----------------------------------------------------------------------------------------------

    def _positions(self) -> dict[int, int]:
        return {row.partition: row.next_offset for row in self._connection.execute(_POSITIONS, self._named())}

    def _set_aside(self) -> dict[tuple[int, int], set[str]]:
        aside = defaultdict(set)
        for row in self._connection.execute(_SET_ASIDE, {"topic": self._log.topic}):
            aside[row.partition, row.record_offset].add(row.digest)
        return aside

    def _named(self) -> dict[str, str]:
        return {"group": self._log.group, "topic": self._log.topic}


def _revision(event: FiguresSubmitted, figure: FigureSubmitted) -> Revision:
    # Beside the worker's own reading on purpose: what both would get wrong nobody could find.
    return Revision(
        sequence=event.sequence,
        value=None if figure.withdrawn else figure.value,
        status=figure.status.value,
        withdrawn=figure.withdrawn,
        submission_id=event.submission_id,
        reported_by=event.reported_by,
        accepted_at=event.received_at,
        note=figure.note,
        justification=figure.justification,
    )


def _digest(key: bytes | None, value: bytes | None) -> str:
    return hashlib.sha256(key or b"").hexdigest() + hashlib.sha256(value or b"").hexdigest()


_CREATE = text(
    "CREATE TEMPORARY TABLE replayed (indicator_id int, org_id int, cluster_id int, period_id int, sequence bigint,"
    " value numeric, status text, withdrawn boolean, note text, justification text, submission_id text,"
    f" reported_by text, accepted_at timestamptz, PRIMARY KEY ({KEY_NAMES}, sequence))"
)
_ANALYZE = text("ANALYZE replayed")
_POSITIONS = text(
    "SELECT topic, partition, next_offset, cluster_id, topic_id FROM consumer_position"
    " WHERE consumer_group = :group AND topic = :topic ORDER BY partition"
)
_SET_ASIDE = text(
    "SELECT partition, record_offset, encode(sha256(coalesce(key, '')), 'hex')"
    " || encode(sha256(coalesce(value, '')), 'hex') AS digest FROM dead_letter WHERE topic = :topic"
)
# What a replay applied: the record as it was repaired last before it, or as it came.
_REPLAYED_LETTERS = text(
    "SELECT letter.dead_letter_id, coalesce((SELECT r.value FROM dead_letter_step r"
    " WHERE r.dead_letter_id = letter.dead_letter_id AND r.action = 'repaired' AND r.value IS NOT NULL"
    " AND r.dead_letter_step_id < step.dead_letter_step_id ORDER BY r.dead_letter_step_id DESC LIMIT 1),"
    " letter.value) AS value, coalesce((SELECT r.headers FROM dead_letter_step r"
    " WHERE r.dead_letter_id = letter.dead_letter_id AND r.action = 'repaired' AND r.headers IS NOT NULL"
    " AND r.dead_letter_step_id < step.dead_letter_step_id ORDER BY r.dead_letter_step_id DESC LIMIT 1),"
    " letter.headers) AS headers FROM dead_letter letter JOIN dead_letter_step step USING (dead_letter_id)"
    " WHERE letter.topic = :topic AND step.action = 'replayed' ORDER BY step.dead_letter_step_id"
)
_COLUMNS = f"{KEY_NAMES}, {REVISION_NAMES}"
# A record that the topic has twice, and a figure that a submission names twice: the first stands, as in the tables.
_PUT = text(
    f"INSERT INTO replayed ({_COLUMNS}) SELECT * FROM unnest({KEYS}, {REVISION}) ON CONFLICT DO NOTHING"  # noqa: S608
)
_ADD_STORED = text(
    f"INSERT INTO replayed ({_COLUMNS}) SELECT {_COLUMNS} FROM figure"  # noqa: S608
    f" UNION ALL SELECT {_COLUMNS} FROM figure_revision ON CONFLICT DO NOTHING"
)
_PUT_STORED = text(
    f"INSERT INTO replayed ({_COLUMNS}) SELECT r.* FROM unnest({KEYS}, {REVISION}) AS r ({_COLUMNS})"  # noqa: S608
    f" WHERE EXISTS (SELECT FROM figure f WHERE (f.{KEY_NAMES.replace(', ', ', f.')}, f.sequence)"
    f" = (r.{KEY_NAMES.replace(', ', ', r.')}, r.sequence))"
    f" OR EXISTS (SELECT FROM figure_revision f WHERE (f.{KEY_NAMES.replace(', ', ', f.')}, f.sequence)"
    f" = (r.{KEY_NAMES.replace(', ', ', r.')}, r.sequence)) ON CONFLICT DO NOTHING"
)
