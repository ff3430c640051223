"""Whatever the order, the repetition and the batching: the same figures, the same totals."""

from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from fourones_aggregation.domain.differences import (
    NOTHING,
    Contribution,
    Known,
    Movement,
    Revision,
    contribution,
    decide,
    difference,
    seen,
)

values = st.decimals(min_value=-(10**17), max_value=10**17, places=4)
numbers = st.tuples(values, st.sampled_from("APEF"), st.just(False))
nothings = st.sampled_from([(None, "O", False), (None, "M", False), (None, "A", True)])
contents = st.one_of(numbers, nothings)
keys = st.sampled_from("abcd")


@st.composite
def arrivals(draw: st.DrawFn) -> list[list[tuple[str, Revision]]]:
    """Revisions of a few figures, shuffled, with duplicates, cut into batches."""
    made = draw(st.lists(st.tuples(keys, contents), max_size=30))
    revisions = [(key, Revision(n, *content)) for n, (key, content) in enumerate(made, start=1)]
    repeated = revisions + draw(st.lists(st.sampled_from(revisions), max_size=10) if revisions else st.just([]))
    order = draw(st.permutations(repeated))
    batches: list[list[tuple[str, Revision]]] = [[]]
    for one in order:
        if draw(st.booleans()):
            batches.append([])
        batches[-1].append(one)
    return batches


class Keeper:
    """What the service keeps, moved by differences only."""

    def __init__(self) -> None:
        self.figures: dict[str, Known] = {}
        self.kept: dict[str, set[int]] = defaultdict(set)
        self.total = Movement()

    def take(self, batch: Sequence[tuple[str, Revision]]) -> None:
        by_key: dict[str, list[Revision]] = defaultdict(list)
        for key, revision in batch:
            by_key[key].append(revision)
        for key, candidates in by_key.items():
            known = self.figures.get(key)
            decision = decide(known, candidates)
            self.kept[key] |= {revision.sequence for revision in decision.superseded}
            if decision.winner is None:
                continue
            if known is not None:
                self.kept[key].add(known.sequence)
            w = decision.winner
            self.figures[key] = Known(w.sequence, w.value, w.status, w.withdrawn, excluded=False)
            before = contribution(seen(known, excluded=False), may_not_apply=True)
            self.total.add(difference(before, contribution(seen(w, excluded=False), may_not_apply=True)))


@given(arrivals())
def test_totals_equal_a_plain_addition_of_the_newest_revisions(batches: list[list[tuple[str, Revision]]]) -> None:
    keeper = Keeper()
    for batch in batches:
        keeper.take(batch)

    newest: dict[str, Revision] = {}
    for key, revision in (one for batch in batches for one in batch):
        if key not in newest or revision.sequence > newest[key].sequence:
            newest[key] = revision
    shown = [r for r in newest.values() if not r.withdrawn]
    reported = [r for r in shown if r.value is not None]
    # Scaled to integers, so that no rounding of the test's own can hide one of the service's.
    cents = sum(int(r.value.scaleb(4)) for r in reported if r.value is not None)
    assert keeper.total.total.scaleb(4) == cents
    assert keeper.total.reported == len(reported)
    assert keeper.total.expected == -sum(r.status == "M" and r.value is None for r in shown)
    assert keeper.total.provisional == sum(r.status == "P" for r in reported)
    assert keeper.total.estimated == sum(r.status == "E" for r in reported)
    assert keeper.total.forecast == sum(r.status == "F" for r in reported)


@given(arrivals())
def test_every_revision_is_kept_once(batches: list[list[tuple[str, Revision]]]) -> None:
    keeper = Keeper()
    for batch in batches:
        keeper.take(batch)
    arrived: dict[str, set[int]] = defaultdict(set)
    for key, revision in (one for batch in batches for one in batch):
        arrived[key].add(revision.sequence)
    for key, sequences in arrived.items():
        assert keeper.figures[key].sequence == max(sequences)
        assert keeper.kept[key] == sequences - {max(sequences)}


def test_a_tenth_and_two_tenths_are_three_tenths() -> None:
    movement = Movement()
    for text in ("0.1", "0.2"):
        movement.add(difference(NOTHING, Contribution(Decimal(text), 1)))
    assert movement.total == Decimal("0.3")


def test_sums_beyond_the_default_context_stay_exact() -> None:
    movement = Movement()
    for text in ("999999999999999999.9999999999", "0.0000000001", "999999999999999999.9999999999"):
        movement.add(difference(NOTHING, Contribution(Decimal(text), 1)))
    assert movement.total == Decimal("1999999999999999999.9999999999")


def test_a_figure_that_does_not_apply_is_expected_unless_the_catalogue_lets_it_off() -> None:
    shown = seen(Revision(1, None, "M", withdrawn=False), excluded=False)
    assert contribution(shown, may_not_apply=True).expected == -1
    assert contribution(shown, may_not_apply=False) == NOTHING


def test_an_excluded_figure_adds_nothing() -> None:
    assert seen(Revision(1, Decimal(5), "A", withdrawn=False), excluded=True) is None


def test_fates_tell_who_was_newest_on_arrival() -> None:
    current = Known(5, Decimal(1), "A", withdrawn=False, excluded=False)
    came = [Revision(n, Decimal(n), "A", withdrawn=False) for n in (4, 5, 7, 6, 7)]
    decision = decide(current, came)
    assert decision.fates == (False, True, True, False, True)
    assert decision.winner is not None
    assert decision.winner.sequence == 7
    assert {r.sequence for r in decision.superseded} == {4, 6}
