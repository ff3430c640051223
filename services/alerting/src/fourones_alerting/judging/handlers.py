"""What the worker does with events: keep roll-ups and judge what they are about; take in catalogues and keys."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import structlog
from sqlalchemy import Connection

from fourones_alerting.domain.problem_terms import DEFAULT_TERMS, Terms
from fourones_alerting.judging.judge import Change, Judge
from fourones_alerting.judging.judges import Judges
from fourones_alerting.judging.snapshots import take
from fourones_alerting.judging.start import Start
from fourones_alerting.rollups.store import Subject, store_rollups
from fourones_shared.catalogue.model import Catalogue
from fourones_shared.domain.clock import Clock
from fourones_shared.events.envelope import Envelope, data_of
from fourones_shared.events.model import RollupChanged
from fourones_shared.kafka.consumer import Received, Refused
from fourones_shared.reference import Switch
from fourones_shared.tracing import names, one_each, within

log = structlog.get_logger(__name__)


class RollupHandler:
    """Applies `rollups-changed`: every version is kept, and the targets it is about are judged with it.

    Args:
        knows: whether a catalogue version, or a later one, is in force here; a partition waits until it is.
    """

    def __init__(self, *, judges: Judges, start: Start, clock: Clock, knows: Callable[[int], bool]) -> None:
        self._judges = judges
        self._start = start
        self._clock = clock
        self._knows = knows

    def decode(self, envelope: Envelope) -> RollupChanged:
        """Read a roll-up."""
        return data_of(envelope, RollupChanged)

    def ready_for(self, data: RollupChanged) -> bool:
        """Whether the catalogue it was computed under is in force here."""
        return self._knows(data.catalogue_version)

    def apply(self, connection: Connection, events: Sequence[Received[RollupChanged]]) -> None:
        """Keep the versions and judge, in the transaction that moves the positions."""
        # Before the roll-ups' rows: whoever judges everything takes the same locks in the same order.
        judge = self._judges.beside_others(connection)
        moved = store_rollups(connection, events, self._clock.now())
        if judge is not None and self._start.is_reached:
            traces = {_subject(event.data): event.envelope.traceparent for event in events}
            judged = Counter(traces[subject] for subject in judge.concerned(moved))
            counts = {trace: {names.ROLLUPS: number} for trace, number in judged.items() if trace}
            with one_each(names.JUDGE, counts) as spans:
                onward = {subject: spans.onward(trace) for subject, trace in traces.items()}
                tell(judge.judge_about(connection, moved, onward), onward)

    def set_aside(self, connection: Connection, refused: Refused) -> None:
        """Nobody waits for it but the operators, whom the dead letter tells; the verdicts stand as they were."""


def rejudge_on_switch(start: Start, clock: Clock, terms: Terms = DEFAULT_TERMS) -> Switch:
    """What a newer catalogue does: everything is judged by it at once, and what it no longer names is removed."""

    def switch(connection: Connection, before: int | None, version: int, catalogue: Catalogue) -> None:  # noqa: ARG001
        # Names and responsibilities are answered from the catalogue, so a switch is a moment of its own.
        take(connection, clock.now(), version)
        # Before that, the first judging of everything takes the newest catalogue anyway.
        if start.is_reached:
            tell(Judge(catalogue, version, clock, terms).judge_everything(connection))

    return switch


def tell(changes: Iterable[Change], traces: dict[Subject, str | None] | None = None) -> None:
    """Log every new verdict, in the trace of the request that brought it where there is one."""
    for change in changes:
        with within((traces or {}).get(change.subject)):
            log.info(
                "verdict",
                target=change.target,
                before=change.before,
                verdict=change.verdict,
                changed_by=change.changed_by,
            )


def _subject(rollup: RollupChanged) -> Subject:
    return Subject(rollup.indicator, rollup.org, rollup.cluster, rollup.tier)
