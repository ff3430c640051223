from fourones_submission import bootstrap
from fourones_submission.metrics import SUBMISSIONS, Outcome
from fourones_submission.settings import SubmissionSettings


def test_every_outcome_is_counted_from_nought():
    SUBMISSIONS.clear()
    process = bootstrap.api(SubmissionSettings(database_url="postgresql+psycopg://nobody@127.0.0.1:1/none"))
    process.close()
    counted = {
        sample.labels["outcome"]: sample.value
        for metric in SUBMISSIONS.collect()
        for sample in metric.samples
        if sample.name == "fourones_submissions_total"
    }
    assert counted == dict.fromkeys(Outcome, 0.0)
