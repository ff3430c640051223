from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from fourones_shared.events.model import FigureSubmitted, Status
from fourones_submission.domain.replaying import Standing, replay

CLUSTERS = ("construction-machinery", "digital-economy", "_T")
# What is done to each cluster's figure; None leaves it alone.
Act = str | None
acts = st.tuples(*(st.sampled_from((None, "value", "missing", "withdraw")) for _ in CLUSTERS))
reports = st.tuples(*(st.sampled_from((None, "value", "missing")) for _ in CLUSTERS))


@dataclass(frozen=True)
class Sent:
    sequence: int
    figures: tuple[FigureSubmitted, ...]

    @property
    def received_ms(self) -> int:
        return self.sequence * 1000


def a_submission(sequence: int, acts: Sequence[Act]) -> Sent:
    figures = [
        FigureSubmitted(
            indicator="cluster-scale",
            cluster=cluster,
            period="2026-02",
            value=Decimal(sequence) if act == "value" else None,
            status=Status.MISSING if act == "missing" else Status.NORMAL,
            withdrawn=act == "withdraw",
        )
        for cluster, act in zip(CLUSTERS, acts, strict=True)
        if act is not None
    ]
    return Sent(sequence, tuple(figures))


def accepted(standing: Standing, sent: Sent) -> None:
    """What acceptance makes of a submission, in its plainest form."""
    for figure in sent.figures:
        if figure.withdrawn:
            standing.figures.pop(figure.cluster, None)
            standing.since.pop(figure.cluster, None)
            continue
        value = None if figure.value is None else str(figure.value)
        standing.figures[figure.cluster] = [value, figure.status.value, sent.sequence]
        if value is not None:
            standing.since.setdefault(figure.cluster, sent.received_ms)


def after(*parts: Sequence[Sent]) -> Standing:
    standing = Standing()
    for part in parts:
        for sent in part:
            accepted(standing, sent)
    return standing


def read_again(standing: Standing, topic: Sequence[Sent], missing: Sequence[Sent]) -> int:
    return sum(
        replay(
            standing,
            sent.figures,
            sequence=sent.sequence,
            received_ms=sent.received_ms,
            missing=sent in missing,
        )
        for sent in topic
    )


@dataclass(frozen=True)
class History:
    """What was accepted before the backup, what between it and the disaster, and what after the restore."""

    before: Sequence[Sent]
    lost: Sequence[Sent]
    since: Sequence[Sent]

    @property
    def topic(self) -> Sequence[Sent]:
        return [*self.before, *self.lost, *self.since]


@st.composite
def histories(draw: st.DrawFn, kinds: st.SearchStrategy[tuple[Act, ...]] = acts) -> History:
    drawn = [draw(st.lists(kinds, max_size=5)) for _ in range(3)]
    first = (1, 101, 1_000_001)
    before, lost, since = (
        [a_submission(start + n, one) for n, one in enumerate(part)] for start, part in zip(first, drawn, strict=True)
    )
    return History(before, lost, since)


@given(histories())
def test_what_is_read_again_ends_as_if_nothing_had_been_lost(history: History) -> None:
    standing = after(history.before, history.since)
    read_again(standing, history.topic, history.lost)
    assert standing.figures == after(history.topic).figures


@given(histories(), st.integers(0, 15))
def test_a_break_and_a_beginning_anew_change_nothing(history: History, broken_after: int) -> None:
    standing = after(history.before, history.since)
    read_again(standing, history.topic[:broken_after], history.lost)
    read_again(standing, history.topic, [sent for sent in history.lost if sent in history.topic[broken_after:]])
    assert standing.figures == after(history.topic).figures


@given(histories())
def test_nothing_is_changed_where_nothing_was_lost(history: History) -> None:
    whole = [*history.before, *history.since]
    standing, as_it_was = after(whole), after(whole)
    assert read_again(standing, whole, []) == 0
    assert standing == as_it_was


@given(histories(reports))
def test_the_first_moment_of_a_value_is_that_of_the_first_submission_with_one(history: History) -> None:
    standing = after(history.before, history.since)
    read_again(standing, history.topic, history.lost)
    assert standing.since == after(history.topic).since


def test_figures_of_a_migrated_table_get_the_values_that_they_lack() -> None:
    standing = Standing({"_T": [None, "A", 0]})
    sent = a_submission(7, (None, None, "value"))
    assert read_again(standing, [sent], []) == 1
    assert standing == Standing({"_T": ["7", "A", 7]}, {"_T": 7000})
