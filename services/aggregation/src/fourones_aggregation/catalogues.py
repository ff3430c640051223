"""The catalogue version in force, held shared by whoever writes figures or roll-ups, and its shapes in memory."""

from __future__ import annotations

import asyncio
from collections import OrderedDict

from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection

from fourones_aggregation.domain.shapes import Shapes
from fourones_shared.catalogue.model import Catalogue

# The one in force, the one before it during a switch, and a reader that is a moment behind.
KEPT = 3
# One board compares a few moments; a version takes some megabytes.
KEPT_OF_THE_PAST = 6


class CatalogueVersions:
    """Shapes by catalogue version, read from the database once."""

    def __init__(self) -> None:
        self._shapes: dict[int, Shapes] = {}

    def hold(self, connection: Connection) -> tuple[int, Shapes] | None:
        """Keep the version in force from being switched until the transaction ends; None when there is none."""
        version = connection.execute(_HOLD).scalar_one_or_none()
        return (version, self.at(connection, version)) if version else None

    def in_force(self, connection: Connection) -> tuple[int, Shapes] | None:
        """The version in force as this transaction sees it, for readers."""
        version = connection.execute(_IN_FORCE).scalar_one_or_none()
        return (version, self.at(connection, version)) if version else None

    def at(self, connection: Connection, version: int) -> Shapes:
        """The shapes of a version that is stored."""
        shapes = self._shapes.get(version)
        if shapes is None:
            shapes = _shapes(connection.execute(_DOCUMENT, {"version": version}).scalar_one())
            newest = sorted([*self._shapes, version])[-KEPT:]
            self._shapes = {v: s for v, s in (self._shapes | {version: shapes}).items() if v in newest}
        return shapes


class PastCatalogues:
    """Shapes by catalogue version for the API, which is asked for past versions too; those used last are kept."""

    def __init__(self) -> None:
        self._shapes: OrderedDict[int, Shapes] = OrderedDict()

    async def at(self, connection: AsyncConnection, version: int) -> Shapes:
        """The shapes of a version; those of an empty catalogue for 0, before the first."""
        if version not in self._shapes:
            document = (await connection.execute(_DOCUMENT, {"version": version})).scalar_one() if version else {}
            # Reading hundreds of indicators takes too long for the loop that serves all requests.
            self._shapes[version] = await asyncio.to_thread(_shapes, document)
        self._shapes.move_to_end(version)
        while len(self._shapes) > KEPT_OF_THE_PAST:
            self._shapes.popitem(last=False)
        return self._shapes[version]


def _shapes(document: object) -> Shapes:
    return Shapes(Catalogue.model_validate(document, extra="ignore"))


_HOLD = text("SELECT version FROM catalogue_in_force FOR SHARE")
_IN_FORCE = text("SELECT version FROM catalogue_in_force")
_DOCUMENT = text("SELECT document FROM catalogue_version WHERE version = :version")
