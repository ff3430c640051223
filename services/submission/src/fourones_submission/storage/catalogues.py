"""Catalogue versions: numbered, all kept, one in force."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import orjson
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine

from fourones_shared.catalogue.model import Catalogue
from fourones_shared.domain.clock import Clock
from fourones_shared.events.envelope import wrap
from fourones_shared.events.model import CataloguePublished
from fourones_shared.kafka.outbox_table import enqueue
from fourones_shared.reference import store_catalogue
from fourones_submission.storage.acceptance import SOURCE, require_size
from fourones_submission.storage.errors import Stale


@dataclass(frozen=True, slots=True)
class InForce:
    """Which version is in force after a catalogue was put; `changed` when it is a new one."""

    version: int
    changed: bool


class Catalogues:
    """Puts catalogues in force."""

    def __init__(self, engine: AsyncEngine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    async def put(self, catalogue: Catalogue, *, admitted: Collection[int], published_by: str) -> InForce:
        """Make a catalogue the one in force, as a new version unless its content is that of the present one.

        Args:
            catalogue: checked.
            admitted: the versions one of which must be in force; 0 stands for none.
            published_by: key id.

        Raises:
            Stale: another version is in force.
            EventTooLarge: Kafka would not take it.
        """
        async with self._engine.begin() as connection:
            return await connection.run_sync(self._put, catalogue, admitted, published_by)

    def _put(
        self, connection: Connection, catalogue: Catalogue, admitted: Collection[int], published_by: str
    ) -> InForce:
        connection.execute(_FIRST)
        current: int = connection.execute(_LOCK).scalar_one()
        if current not in admitted:
            raise Stale(current)
        digest = connection.execute(_DIGEST, {"version": current}).scalar_one_or_none()
        if digest == catalogue.digest:
            return InForce(current, changed=False)
        published = CataloguePublished(
            version=current + 1,
            digest=catalogue.digest,
            published_at=self._clock.now(),
            published_by=published_by,
            catalogue=orjson.loads(catalogue.document),
        )
        wire = wrap(published, event_id=f"catalogue:{published.version}", source=SOURCE, time=published.published_at)
        require_size(wire)
        store_catalogue(connection, published)
        enqueue(connection, [wire])
        return InForce(published.version, changed=True)


_FIRST = text("INSERT INTO catalogue_in_force (singleton, version) VALUES (true, 0) ON CONFLICT DO NOTHING")
_LOCK = text("SELECT version FROM catalogue_in_force FOR UPDATE")
_DIGEST = text("SELECT digest FROM catalogue_version WHERE version = :version")
