"""The benchmarks at their smallest, on a stack of their own: that they run, not how fast."""

from load.growth import growth
from load.million import million


def test_a_small_million_comes_out_exactly_and_says_what_every_step_took() -> None:
    # It raises when a roll-up or a metric does not become what was posted.
    report = million(2_000, watched=())

    assert report.facts["figures"] == 2_000
    assert [row.name for row in report.tables["from the first POST"]] == [
        "last POST answered",
        "last roll-up committed",
        "last metric exposed",
    ]
    processes = {row.name for row in report.tables["CPU until the last metric"]}
    assert processes >= {"submission-api", "submission-worker", "aggregation-worker", "alerting-worker", "kafka"}
    assert processes >= {"postgres (submission)", "postgres (aggregation)", "postgres (alerting)"}


def test_what_is_stored_is_verified_before_anything_is_measured() -> None:
    report = growth(10_000, shared_buffers="64MB")

    assert [row.name for row in report.tables["new figures, by figures stored"]] == ["10,000"]
    assert [row.name for row in report.tables["revisions of any month"]] == ["10,000"]
