"""Settings of the submission service, from variables named `FOURONES_<FIELD>`."""

from __future__ import annotations

from pydantic import Field

from fourones_shared.settings import ServiceSettings

API_PORT = 8001
WORKER_PORT = 8011


class SubmissionSettings(ServiceSettings):
    """What the processes of this service need beyond every service's settings."""

    # 5,000 figures without long notes come to 1 MiB; the event's topic takes 4 MiB.
    max_body_bytes: int = Field(default=4 * 1024 * 1024, gt=0, description="largest request body")
    body_timeout_s: float = Field(default=60, gt=0, description="longest that a request body may take to arrive")
    database_pool: int = Field(default=16, ge=1, description="connections of the API, which share a commit's flush")
    replication_factor: int = Field(default=1, ge=1, description="of topics that `topics` creates")
