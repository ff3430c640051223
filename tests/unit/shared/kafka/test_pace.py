"""A loop that has much to do goes round less often, and one that is behind does not rest at all."""

from __future__ import annotations

import pytest

from fourones_shared.kafka.pace import ENOUGH, LONGEST_REST_S, rest_s

LEAST_S = 0.03


@pytest.mark.parametrize(
    ("worked_s", "records", "rests_s"),
    [
        pytest.param(0.01, 1, 0.02, id="quick rounds begin at a steady pace"),
        pytest.param(0.02, 1, 0.02, id="a longer one is followed by as long a rest"),
        pytest.param(0.1, ENOUGH - 1, 0.1, id="also with some records"),
        pytest.param(30.0, 1, LONGEST_REST_S, id="one that was held up keeps nobody waiting as long"),
        pytest.param(0.1, ENOUGH, 0.0, id="a full one is followed by the next at once"),
        pytest.param(0.01, ENOUGH, 0.02, id="but no sooner than the pace"),
    ],
)
def test_rests(worked_s: float, records: int, rests_s: float) -> None:
    assert rest_s(worked_s=worked_s, records=records, least_s=LEAST_S) == pytest.approx(rests_s)
