"""Settings of the alerting service, from variables named `FOURONES_<FIELD>`."""

from __future__ import annotations

from pydantic import Field

from fourones_shared.settings import ServiceSettings

API_PORT = 8003
WORKER_PORT = 8013


class AlertingSettings(ServiceSettings):
    """What the processes of this service need beyond every service's settings."""

    database_pool: int = Field(default=8, ge=1, description="connections of the API")
    # A roll-up with its members comes to some kilobytes; a thousand of them make one transaction worth its flush.
    batch_records: int = Field(default=1000, ge=1, description="most events that the worker applies at once")
