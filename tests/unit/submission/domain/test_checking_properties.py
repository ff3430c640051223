"""What holds for every submission, not only for the examples."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st
from unit.submission.builders import NOW, TERMS, a_draft, a_key, codes

from fourones_shared.domain.numbers import format_decimal
from fourones_submission.domain.checking import check
from fourones_submission.domain.draft import FigureDraft

MONTHS = [f"{year}-{month:02d}" for year in (2024, 2025) for month in range(1, 13)] + ["2026-01", "2026-02"]
CLUSTERS = TERMS.catalogue.indicator["cluster-scale"].clusters

values = st.integers(0, 10_000 * 10_000).map(lambda n: format_decimal(Decimal(n).scaleb(-4)))
notes = st.none() | st.text(st.characters(blacklist_categories=["Cc", "Cs"]), max_size=50)


@st.composite
def figures(draw: st.DrawFn) -> FigureDraft:
    """A figure that keeps every rule."""
    what = draw(st.sampled_from(["value", "not-final", "missing", "withdrawal"]))
    return FigureDraft(
        indicator="cluster-scale",
        cluster=draw(st.sampled_from(CLUSTERS)),
        period=draw(st.sampled_from(MONTHS)),
        value=draw(values) if what in {"value", "not-final"} else None,
        unit=draw(st.sampled_from([None, "亿元"])),
        status={"not-final": draw(st.sampled_from("PEF")), "missing": "O"}.get(what),
        note=draw(notes),
        justification=draw(notes),
        withdraw=what == "withdrawal",
    )


submissions = st.lists(figures(), min_size=1, max_size=12, unique_by=lambda f: (f.cluster, f.period))

MUTATIONS: dict[tuple[str | None, str], Callable[[FigureDraft], FigureDraft]] = {
    ("indicator", "indicator_missing"): lambda f: replace(f, indicator=None),
    ("indicator", "indicator_unknown"): lambda f: replace(f, indicator="cluster-scales"),
    ("indicator", "org_not_a_subject"): lambda f: replace(f, indicator="weekly-meetings", period="2026-W02"),
    ("cluster", "cluster_missing"): lambda f: replace(f, cluster=None),
    ("cluster", "cluster_unknown"): lambda f: replace(f, cluster="clusters"),
    ("cluster", "cluster_not_reported"): lambda f: replace(f, cluster="new-materials"),
    ("unit", "unit_wrong"): lambda f: replace(f, unit="万元"),
    ("period", "period_missing"): lambda f: replace(f, period=None),
    ("period", "period_invalid"): lambda f: replace(f, period="2026-2"),
    ("period", "period_frequency"): lambda f: replace(f, period="2025"),
    ("period", "period_before_first"): lambda f: replace(f, period="2023-12"),
    ("period", "period_in_future"): lambda f: replace(f, period="2026-04"),
    ("status", "status_unknown"): lambda f: replace(f, status="X"),
    ("note", "text_too_long"): lambda f: replace(f, note="长" * 1001),
    ("value", "value_not_decimal"): lambda f: replace(f, value="1e5", status=None, withdraw=False),
    ("value", "value_decimals"): lambda f: replace(f, value="1.00001", status=None, withdraw=False),
    ("value", "value_below_minimum"): lambda f: replace(f, value="-1", status=None, withdraw=False),
    ("value", "value_above_maximum"): lambda f: replace(f, value="10001", status=None, withdraw=False),
    ("value", "value_missing"): lambda f: replace(f, value=None, status=None, withdraw=False),
    ("value", "withdraw_with_value"): lambda f: replace(f, value="1", status=None, withdraw=True),
    ("status", "withdraw_with_status"): lambda f: replace(f, value=None, status="O", withdraw=True),
    ("status", "status_with_value"): lambda f: replace(f, value="1", status="O", withdraw=False),
    ("status", "not_applicable_refused"): lambda f: replace(f, value=None, status="M", withdraw=False),
}


@given(submissions)
def test_what_is_valid_by_construction_is_accepted_whole(sent: list[FigureDraft]) -> None:
    outcome = check(a_draft(*sent), TERMS, a_key(), NOW)
    assert outcome.faults == ()
    assert [f.key for f in outcome.figures] == [("cluster-scale", f.cluster, f.period) for f in sent]
    assert [f.value for f in outcome.figures] == [None if f.value is None else Decimal(f.value) for f in sent]


@given(submissions, st.data())
def test_a_single_mutation_yields_its_one_fault_at_its_place(sent: list[FigureDraft], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(sent) - 1))
    (field, code), mutate = data.draw(st.sampled_from(sorted(MUTATIONS.items(), key=str)))
    mutated = [mutate(figure) if i == index else figure for i, figure in enumerate(sent)]
    outcome = check(a_draft(*mutated), TERMS, a_key(), NOW)
    assert (index, field, code) in codes(outcome)
    assert {fault.figure for fault in outcome.faults} == {index}
    # A value the sender withdrew or declared missing may be out of bounds twice over; another figure never is.
    assert outcome.figures == ()


@given(submissions, st.data())
def test_every_mutation_is_told_at_once(sent: list[FigureDraft], data: st.DataObject) -> None:
    chosen = [data.draw(st.sampled_from(sorted(MUTATIONS.items(), key=str))) for _ in sent]
    mutated = [mutate(figure) for figure, (_, mutate) in zip(sent, chosen, strict=True)]
    told = codes(check(a_draft(*mutated), TERMS, a_key(), NOW))
    assert {(i, field, code) for i, ((field, code), _) in enumerate(chosen)} <= set(told)


@given(
    st.lists(
        st.builds(
            FigureDraft,
            *[st.none() | st.text(max_size=8)] * 8,
            withdraw=st.booleans(),
        ),
        max_size=5,
    )
)
def test_whatever_is_written_is_answered(sent: list[FigureDraft]) -> None:
    outcome = check(a_draft(*sent), TERMS, a_key(), NOW)
    assert bool(outcome.faults) != bool(outcome.figures)
