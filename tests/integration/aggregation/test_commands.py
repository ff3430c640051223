import os
import subprocess
import sys

from integration.aggregation.keeping import Aggregation, a_figure, a_submission


def test_verify_ends_well_only_when_nothing_differs(aggregation: Aggregation) -> None:
    aggregation.apply(a_submission(a_figure("5")))
    assert verify(aggregation).returncode == 0
    with aggregation.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE rollup SET reported = 2 WHERE total = 5 AND org_id = 0 AND tier_id <> 0")
    result = verify(aggregation)
    assert result.returncode == 1
    assert "roll-up cluster-scale _T _T advantage 2026-03" in result.stdout


def verify(aggregation: Aggregation) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "fourones_aggregation", "verify"],
        env=os.environ | {"FOURONES_DATABASE_URL": aggregation.url},
        capture_output=True,
        text=True,
        check=False,
    )
