"""The service's own metrics, each declared once; requests, outbox and consumer are measured by `shared`."""

from __future__ import annotations

from enum import StrEnum

from prometheus_client import Counter, Gauge


class Outcome(StrEnum):
    """What became of a request to take in a submission."""

    ACCEPTED = "accepted"
    REPEATED = "repeated"
    CHECKED = "checked"
    REFUSED = "refused"
    FORBIDDEN = "forbidden"


SUBMISSIONS = Counter(
    "fourones_submissions_total",
    "Submissions received, by what became of them: accepted, repeated, checked (dry run), refused, forbidden.",
    ["outcome"],
)
FIGURES = Counter("fourones_figures_accepted_total", "Figures accepted.")
WARNINGS = Counter("fourones_submission_warnings_total", "Doubts about accepted figures, by rule.", ["code"])
FAULTS = Counter("fourones_submission_faults_total", "What was wrong with refused submissions, by rule.", ["code"])
SEQUENCE_RAISED = Counter(
    "fourones_sequence_raised_total", "Times that the sequence was raised since the database was older than the topic."
)
RENUMBERED = Counter("fourones_submissions_renumbered_total", "Submissions that were numbered anew after a restore.")
UNKNOWN_SUBMISSIONS = Gauge(
    "fourones_submissions_unknown",
    "Submissions at the end of the topic that the database has never accepted, as the relay found it: run `recover`.",
)
