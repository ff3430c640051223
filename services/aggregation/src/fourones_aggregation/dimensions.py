"""The numbers of codes: small integers on the hot path, learnt once and never changed."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from sqlalchemy import Engine, text

from fourones_aggregation.arrays import days, texts
from fourones_shared.domain.periods import Period


class Codes:
    """The numbers of one dimension.

    New codes get theirs in a transaction of its own: what is cached is then committed, whatever becomes of the batch
    that needed it, and a number without rows does no harm.
    """

    def __init__(self, engine: Engine, table: str, column: str) -> None:
        self._engine = engine
        self._ids: dict[str, int] = {}
        # Names of the schema, not input.
        self._find = text(f"SELECT code, {column} AS id FROM {table} WHERE code = ANY(CAST(:codes AS text[]))")  # noqa: S608
        self._add = text(f"INSERT INTO {table} (code) SELECT unnest(CAST(:codes AS text[])) ON CONFLICT DO NOTHING")

    def ids(self, codes: Collection[str]) -> Mapping[str, int]:
        """Numbers by code, of the given codes at least."""
        missing = sorted({code for code in codes if code not in self._ids})
        if missing:
            self._learn(missing)
        return self._ids

    def _learn(self, codes: list[str]) -> None:
        with self._engine.begin() as connection:
            found = {row.code: row.id for row in connection.execute(self._find, {"codes": texts(codes)})}
            unknown = [code for code in codes if code not in found]
            if unknown:
                connection.execute(self._add, self._row(unknown))
                found |= {row.code: row.id for row in connection.execute(self._find, {"codes": texts(unknown)})}
        # Replaced whole, so that another thread never sees it half filled. A code with U+0000 is kept under what
        # PostgreSQL can hold of it, and no other code can be that.
        self._ids = self._ids | {code: found[code.replace("\0", "\ufffd")] for code in codes}

    def _row(self, codes: list[str]) -> dict[str, str]:
        return {"codes": texts(codes)}


class PeriodCodes(Codes):
    """The numbers of periods."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine, "period", "period_id")
        self._add = text(
            "INSERT INTO period (code, start_day, end_day, frequency)"
            " SELECT * FROM unnest(CAST(:codes AS text[]), CAST(:starts AS date[]), CAST(:ends AS date[]),"
            " CAST(:frequencies AS text[])) ON CONFLICT DO NOTHING"
        )

    def _row(self, codes: list[str]) -> dict[str, str]:
        # By time, so that numbers follow the calendar where they can and lists read naturally.
        periods = sorted(Period.parse(code) for code in codes)
        return {
            "codes": texts(p.key for p in periods),
            "starts": days(p.start for p in periods),
            "ends": days(p.end for p in periods),
            "frequencies": texts(p.frequency.value for p in periods),
        }


class Dimensions:
    """The numbers of every dimension. Number 0 is `_T`."""

    def __init__(self, engine: Engine) -> None:
        self.indicators = Codes(engine, "indicator", "indicator_id")
        self.organisations = Codes(engine, "organisation", "org_id")
        self.clusters = Codes(engine, "cluster", "cluster_id")
        self.tiers = Codes(engine, "tier", "tier_id")
        self.periods = PeriodCodes(engine)
