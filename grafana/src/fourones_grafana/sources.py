"""The data sources, by their fixed identifiers: what boards name and what provisioning makes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from grafana_foundation_sdk.models.dashboard import DataSourceRef

# From 10.2.3 on; earlier releases call it `postgres`.
POSTGRESQL: Final = "grafana-postgresql-datasource"


@dataclass(frozen=True, slots=True)
class Source:
    """A data source: its identifier, its type, and for PostgreSQL the service whose database it is."""

    uid: str
    type: str
    service: str | None = None

    @property
    def ref(self) -> DataSourceRef:
        """How a board names it."""
        return DataSourceRef(type_val=self.type, uid=self.uid)


PROMETHEUS = Source("fourones-prometheus", "prometheus")
SUBMISSION = Source("fourones-submission", POSTGRESQL, "submission")
AGGREGATION = Source("fourones-aggregation", POSTGRESQL, "aggregation")
ALERTING = Source("fourones-alerting", POSTGRESQL, "alerting")
# Grafana's own name for a panel whose queries name their source each.
MIXED = Source("-- Mixed --", "datasource")

SOURCES = {source.uid: source for source in (PROMETHEUS, SUBMISSION, AGGREGATION, ALERTING)}
