"""Hands out the judge of the catalogue in force, and keeps two judgings of one target from overlapping.

Of two that overlap, the one that read first could write last. The row of the catalogue in force keeps them apart:
whoever judges by events holds it shared (the targets of an indicator follow from one partition, which one worker reads
at a time; of a derived target, which follows from several, they take turns by its row), whoever judges everything
holds it alone.
"""

from __future__ import annotations

from sqlalchemy import Connection, text

from fourones_alerting.domain.problem_terms import DEFAULT_TERMS, Terms
from fourones_alerting.judging.judge import Judge
from fourones_shared.domain.clock import Clock
from fourones_shared.errors import Retry
from fourones_shared.reference import ReferenceCopy


class Judges:
    """The judge of the version in force, made anew when that changes."""

    def __init__(self, reference: ReferenceCopy, clock: Clock, terms: Terms = DEFAULT_TERMS) -> None:
        self._reference = reference
        self._clock = clock
        self._terms = terms
        self._judge: Judge | None = None

    def beside_others(self, connection: Connection) -> Judge | None:
        """The judge for a batch of events; None before the first catalogue."""
        return self._of(connection.execute(_SHARED).scalar_one_or_none())

    def alone(self, connection: Connection) -> Judge | None:
        """The judge while nobody else judges, until the transaction ends; None before the first catalogue."""
        return self._of(connection.execute(_ALONE).scalar_one_or_none())

    def _of(self, version: int | None) -> Judge | None:
        if not version:
            return None
        judge = self._judge
        if judge is None or judge.version != version:
            # The row is held, so the version cannot move on while its catalogue is fetched.
            self._reference.known(version)
            at_hand = self._reference.in_force
            if at_hand is None or at_hand[0] != version:
                raise Retry(f"catalogue version {version} is in force, version {at_hand and at_hand[0]} is at hand")
            judge = self._judge = Judge(at_hand[1], version, self._clock, self._terms)
        return judge


_SHARED = text("SELECT version FROM catalogue_in_force FOR SHARE")
_ALONE = text("SELECT version FROM catalogue_in_force FOR UPDATE")
