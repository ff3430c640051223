"""The catalogue version in force, held shared by whoever writes figures or roll-ups, and its shapes in memory."""

from __future__ import annotations

from sqlalchemy import Connection, text

from fourones_aggregation.domain.scopes import Shapes
from fourones_shared.catalogue.model import Catalogue

# The one in force, the one before it during a switch, and a reader that is a moment behind.
KEPT = 3


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
            document = connection.execute(_DOCUMENT, {"version": version}).scalar_one()
            shapes = Shapes(Catalogue.model_validate(document, extra="ignore"))
            newest = sorted([*self._shapes, version])[-KEPT:]
            self._shapes = {v: s for v, s in (self._shapes | {version: shapes}).items() if v in newest}
        return shapes


_HOLD = text("SELECT version FROM catalogue_in_force FOR SHARE")
_IN_FORCE = text("SELECT version FROM catalogue_in_force")
_DOCUMENT = text("SELECT document FROM catalogue_version WHERE version = :version")
