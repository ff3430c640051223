"""The topics, described as data in `shared/topics/*.yaml`; this module reads them.

A topic's file gives its owner, key, retention, partitions and the event types it carries. Physical names may have
a prefix, so that tests on one broker do not meet.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict


class Topic(BaseModel):
    """One topic.

    Attributes:
        name: logical name, with hyphens.
        owner: the one service that writes it.
        key: what the record key is made of; several parts are joined by `|`.
        partitioned_by: what decides the partition when that is not the key.
        cleanup: `delete` after the retention, or `compact` to the last record of each key.
        retention_days: None keeps everything for ever.
        max_message_bytes: the largest record; broker, topic and clients are set to match.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    owner: Literal["submission", "aggregation", "alerting"]
    description: str
    key: str
    partitioned_by: str | None = None
    partitions: int
    cleanup: Literal["delete", "compact"]
    retention_days: int | None
    max_message_bytes: int
    events: tuple[str, ...]

    def physical(self, prefix: str) -> str:
        """The name on the broker."""
        return prefix + self.name

    def partition_source(self, key: bytes) -> bytes:
        """The part of a record's key that decides its partition: all of it, or what `partitioned_by` names."""
        if self.partitioned_by is None:
            return key
        return key.split(b"|")[self.key.split("|").index(self.partitioned_by)]

    def settings(self) -> dict[str, str]:
        """The topic's Kafka configuration."""
        forever = "-1"
        retention = forever if self.retention_days is None else str(self.retention_days * 86_400_000)
        settings = {
            "cleanup.policy": self.cleanup,
            "max.message.bytes": str(self.max_message_bytes),
            "retention.bytes": forever,
            "retention.ms": retention,
        }
        if self.cleanup == "compact":
            # A reader that was away for a week still sees every tombstone.
            settings["delete.retention.ms"] = str(7 * 86_400_000)
        return settings


@lru_cache
def all_topics() -> dict[str, Topic]:
    """Every topic by its logical name."""
    topics = [Topic.model_validate(_read(path)) for path in sorted(contract_folder("topics").glob("*.yaml"))]
    return {topic.name: topic for topic in topics}


def contract_folder(name: Literal["topics", "schemas", "examples"]) -> Path:
    """Where the contract files lie: inside an installed package, or beside the sources in a checkout."""
    installed = Path(__file__).parent / "contracts" / name
    return installed if installed.is_dir() else Path(__file__).parents[2] / name


def _read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))
