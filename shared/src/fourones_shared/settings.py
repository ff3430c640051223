"""Settings from the environment, one frozen object per process; nothing is read at import."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class ServiceSettings(BaseSettings):
    """What every process of every service needs. Variables are named `FOURONES_<FIELD>`."""

    model_config = SettingsConfigDict(env_prefix="FOURONES_", frozen=True, extra="ignore")

    database_url: str = Field(repr=False, description="postgresql+psycopg://user:password@host:port/database")
    kafka_bootstrap: str = Field(default="127.0.0.1:9092", description="host:port[,host:port…]")
    topic_prefix: str = Field(default="", description="put before every topic and group name, for tests")
    host: str = Field(default="127.0.0.1", description="address to listen on")
    port: int = Field(default=0, ge=0, le=65535, description="HTTP port; 0 takes the role's default")
    # None is what a healthy day has; a hundred are no stray records but a fault that somebody must look at.
    dead_letter_limit: int = Field(
        default=100, ge=0, description="records that a consumer sets aside within an hour before it waits for a person"
    )
    requests_per_second: int = Field(default=100, ge=0, description="of one key, over all instances; 0 for no limit")
    request_burst: int = Field(default=100, ge=1, description="requests that a key may make at once after a pause")
    log_format: Literal["json", "console"] = "json"
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    def described(self) -> dict[str, object]:
        """The settings without secrets, for the log line at start."""
        shown = self.model_dump()
        shown["database_url"] = _without_password(self.database_url)
        return shown


def _without_password(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    if not separator:
        # Not an address at all; it may be a password that was put into the wrong variable.
        return "…"
    credentials, at, place = rest.rpartition("@")
    user = credentials.partition(":")[0]
    shown = f"{scheme}://{user}{':…' if ':' in credentials else ''}{at}{place}"
    return re.sub(r"(password=)[^&]*", r"\1…", shown)
