from integration.aggregation.keeping import TODAY, Aggregation, a_figure, a_submission, counts
from sqlalchemy import text
from support.catalogue import COUNTIES_AND_ZONES, PEI, SCALE, a_catalogue, default_organisations

from fourones_aggregation.domain.shapes import Shapes
from fourones_aggregation.opening import open_pairs
from fourones_shared.domain.periods import Period

AHEAD = "2026-11"


def test_opening_what_another_has_just_opened_waits_for_no_roll_up(aggregation: Aggregation) -> None:
    """Batches lock roll-ups by number, opening goes by key: waiting here and there would be a deadlock."""
    shapes = Shapes(a_catalogue())
    with aggregation.engine.begin() as moving, aggregation.engine.begin() as opening:
        moving.execute(text("SELECT rollup_id FROM rollup ORDER BY rollup_id FOR UPDATE"))
        opening.execute(text("SET LOCAL lock_timeout = '2s'"))
        assert open_pairs(opening, aggregation.dimensions, shapes, [(SCALE, Period.parse("2026-04"))], TODAY) == []


def test_a_period_that_a_catalogue_closed_opens_again_with_the_next_early_figure(aggregation: Aggregation) -> None:
    aggregation.apply(a_submission(a_figure("5", period=AHEAD), org=PEI))
    closed_at = aggregation.rollup(AHEAD).version
    aggregation.put(a_catalogue(organisations=[o for o in default_organisations() if o["id"] != PEI]))
    assert not aggregation.rollup(AHEAD).live
    other = next(org for org in COUNTIES_AND_ZONES if org != PEI)
    aggregation.apply(a_submission(a_figure("7", period=AHEAD), org=other))
    row = aggregation.rollup(AHEAD)
    assert row.live
    assert counts(row) == (7, 1, 9)
    assert row.version > closed_at
    aggregation.verify()
