"""What each service says and hears at the brokers, by the code's own names."""

from fourones_aggregation import bootstrap as aggregation
from fourones_alerting import bootstrap as alerting
from fourones_submission import bootstrap as submission

READERS = {
    "submission": {"figures-applied"},
    "aggregation": {"figures-submitted", "catalogue-published", "access-granted"},
    "alerting": {"rollups-changed", "catalogue-published", "access-granted"},
}
GROUPS = {
    "submission": {submission.RECEIPTS_GROUP},
    "aggregation": {aggregation.FIGURES_GROUP, aggregation.REFERENCE_GROUP},
    "alerting": {alerting.ROLLUP_GROUP, alerting.REFERENCE_GROUP},
}
RELAYS = {
    "submission": {submission.RELAY},
    "aggregation": {"aggregation-receipts", "aggregation-rollups"},
    "alerting": {alerting.RELAY},
}
