"""What benchmarks post, and what they say must come out of it."""

from load.workload import FIGURES_A_SUBMISSION, TARGETS, Shape, Standing, Submission, catalogue, submissions

from fourones_shared.catalogue.parsing import parse_document


def test_a_million_figures_are_a_million_with_one_in_twenty_a_revision() -> None:
    shape = Shape.of(1_000_000)

    posted = submissions(shape, shape.posted)

    assert len(posted) * FIGURES_A_SUBMISSION == 1_000_000
    assert sum(sent.round > 0 for sent in posted) * 20 == len(posted)


def test_a_revision_has_other_values_and_no_number_of_its_own_twice() -> None:
    shape = Shape.of(200_000)

    posted = submissions(shape, shape.posted)

    assert len(set(posted)) == len(posted)
    for again in (sent for sent in posted if sent.round):
        first = Submission(again.org, again.period, 0)
        assert posted.index(first) < posted.index(again)
        assert again.value(7, 3) != first.value(7, 3)


def test_the_catalogue_is_without_faults() -> None:
    content = parse_document(catalogue(Shape.of(1_000_000)))

    assert {target.id for target in content.targets} == set(TARGETS)


def test_what_stands_is_the_submission_with_the_highest_number_whatever_the_order() -> None:
    period = Shape(1, 1).posted[0]
    first, second = Submission(0, period, 0), Submission(0, period, 1)

    standing = Standing.of([(second, 9), (first, 4)])

    assert standing.current == (second,)
    assert standing.figures == FIGURES_A_SUBMISSION
    assert standing.of_targets(period)["indicator-3-of-cluster-2"] == second.value(3, 2) / 10_000
