"""What holds of every doubt, whatever stands and whatever is sent."""

from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from unit.submission.builders import a_figure
from unit.submission.histories import CLUSTER, OTHER_CLUSTER, Standing, a_series, checked_by, doubted, history, stored

from fourones_shared.domain.numbers import format_decimal
from fourones_submission.domain.draft import FigureDraft
from fourones_submission.domain.plausibility import compared_with, doubts, unanswered
from fourones_submission.domain.terms import Terms

PERIODS = [f"{year}-{month:02d}" for year in (2024, 2025) for month in range(1, 13)] + ["2026-01", "2026-02"]
JUSTIFY = {"justify": ["unit_slip", "jump"]}
EVERY_KIND = [
    a_series(plausibility=JUSTIFY, minimum=None),
    a_series(covers="period", minimum=None),
    a_series(covers="period", kind="stock", minimum=None, decimals=10),
    a_series(covers="period", kind="ratio", unit="%", minimum=None),
    a_series(unit="家", decimals=0, minimum=None),
]

numbers = st.one_of(
    st.integers(-(10**18) + 1, 10**18 - 1),
    st.integers(-300, 300),
    st.sampled_from([0, 1, 10, 10**5, 10**9]),
)


@st.composite
def values(draw: st.DrawFn, terms: Terms) -> str:
    decimals = terms.catalogue.indicators[0].decimals
    return format_decimal(Decimal(draw(numbers)).scaleb(-draw(st.integers(0, decimals))))


@st.composite
def cases(draw: st.DrawFn) -> tuple[Terms, tuple[Standing, ...], tuple[FigureDraft, ...]]:
    """A catalogue, what stands, and a submission that is accepted under it."""
    terms = draw(st.sampled_from(EVERY_KIND))
    places = st.tuples(st.sampled_from(PERIODS), st.sampled_from([CLUSTER, OTHER_CLUSTER]))
    standing = draw(st.dictionaries(places, st.none() | values(terms), max_size=30))
    sent = draw(st.dictionaries(places, values(terms), min_size=1, max_size=12))
    reason = st.sampled_from([None, "已核实"])
    figures = [
        a_figure(period=period, cluster=cluster, value=value, justification=draw(reason))
        for (period, cluster), value in sent.items()
    ]
    return terms, tuple(Standing(p, v, cluster=c) for (p, c), v in standing.items()), tuple(figures)


@given(cases())
def test_a_doubt_is_about_a_value_that_was_sent_and_says_something(case: Any) -> None:
    terms, standing, figures = case
    found = doubted(terms, standing, *figures)
    assert [d.figure for d in found] == sorted(d.figure for d in found)
    assert len({(d.figure, d.doubt) for d in found}) == len(found)
    assert all(figures[d.figure].value is not None and d.detail.isprintable() for d in found)


@given(cases())
def test_only_what_was_asked_for_matters(case: Any) -> None:
    terms, standing, figures = case
    checked = checked_by(terms, *figures)
    assert doubts(checked, terms, stored(standing)) == doubted(terms, standing, *figures)


@given(cases(), st.randoms(use_true_random=False))
def test_the_order_of_the_figures_changes_nothing(case: Any, random: Any) -> None:
    terms, standing, figures = case
    other = list(figures)
    random.shuffle(other)
    one = {(figures[d.figure], d.doubt, d.detail) for d in doubted(terms, standing, *figures)}
    assert one == {(other[d.figure], d.doubt, d.detail) for d in doubted(terms, standing, *other)}


@given(cases())
def test_what_stands_already_can_be_sent_again_without_a_word(case: Any) -> None:
    terms, standing, figures = case
    replaced = {(s.period, s.cluster): s for s in standing}
    for figure in figures:
        replaced[figure.period, figure.cluster] = Standing(figure.period, figure.value, cluster=figure.cluster)
    assert doubted(terms, tuple(replaced.values()), *figures) == ()


@given(cases())
def test_a_justification_answers_every_doubt_and_nothing_else_does(case: Any) -> None:
    terms, standing, figures = case
    checked = checked_by(terms, *figures)
    found = doubts(checked, terms, stored(standing))
    justify = terms.catalogue.indicators[0].plausibility.justify
    due = {d.figure for d in found if d.doubt in justify and figures[d.figure].justification is None}
    faults = unanswered(checked, terms, found)
    assert {fault.figure for fault in faults} == due
    assert compared_with(checked, terms) >= {s for s in stored(standing) if s.period in {f.period for f in figures}}


steady = st.integers(1_000, 2_000).map(lambda n: format_decimal(Decimal(n).scaleb(-1)))


@given(st.lists(steady, min_size=1, max_size=12), steady)
def test_a_steady_flow_is_quiet_and_its_ten_thousandfold_is_told_with_the_value_that_was_meant(
    past: list[str], value: str
) -> None:
    terms = a_series(covers="period")
    standing = history({f"2025-{month:02d}": known_ for month, known_ in enumerate(past, 1)})
    period = f"2025-{len(past) + 1:02d}" if len(past) < 12 else "2026-01"
    assert doubted(terms, standing, a_figure(period=period, value=value)) == ()
    slipped = format_decimal(Decimal(value) * 10_000)
    (found,) = doubted(terms, standing, a_figure(period=period, value=slipped))
    assert f"是否应为 {value} 亿元?" in found.detail
