"""Settings of the alerting service, from variables named `FOURONES_<FIELD>`."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr

from fourones_alerting.domain.problem_terms import DEFAULT_TERMS, Terms
from fourones_shared.settings import ServiceSettings

API_PORT = 8003
WORKER_PORT = 8013


class AlertingSettings(ServiceSettings):
    """What the processes of this service need beyond every service's settings."""

    problem_due_days: int = Field(
        default=DEFAULT_TERMS.due_days, ge=1, le=3650, description="days until a problem is due, unless it says so"
    )
    problem_acknowledge_days: int = Field(
        default=DEFAULT_TERMS.acknowledge_days, ge=1, le=250, description="working days to acknowledge a problem"
    )

    database_pool: int = Field(default=8, ge=1, description="connections of the API")
    # A roll-up with its members comes to some kilobytes; a thousand of them make one transaction worth its flush.
    batch_records: int = Field(default=1000, ge=1, description="most events that the worker applies at once")
    channels_file: Path | None = Field(default=None, description="who is told by which channels; nobody without it")

    @property
    def problem_terms(self) -> Terms:
        """The deadlines of the problem list."""
        return Terms(self.problem_due_days, self.problem_acknowledge_days)

    alertmanager_token: SecretStr | None = Field(
        default=None, description="what Alertmanager bears when it calls; without it no call is taken"
    )
    link_base: str = Field(
        default=f"http://127.0.0.1:{API_PORT}/v1/assessments/",
        description="where messages say a target is explained: its id replaces {target}, or follows; empty for no link",
    )
    problem_link_base: str = Field(
        default=f"http://127.0.0.1:{API_PORT}/v1/problems",
        description="where messages say problems are listed: a problem's number follows as /number; empty for no link",
    )
    # Twice the worst that Prometheus and Alertmanager take by themselves, with their holds and groups.
    tell_unasked_after_s: float = Field(
        default=1800, ge=0, description="a target that has been red for so long is told without any call"
    )
    tell_recovered_after_s: float = Field(
        default=600, ge=0, description="a red that has been over for so long is told to be over without any call"
    )
    notice_sweep_s: float = Field(default=30, gt=0, description="how often to look for what nobody has called about")

    def described(self) -> dict[str, object]:
        """The settings without secrets, for the log line at start."""
        shown = super().described()
        shown["alertmanager_token"] = None if self.alertmanager_token is None else "…"
        shown["channels_file"] = None if self.channels_file is None else str(self.channels_file)
        return shown
