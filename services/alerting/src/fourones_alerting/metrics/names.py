"""What the codes in the labels are called, as Prometheus series of value 1: boards join them, and people read names.

From the catalogue in force, like everything else here; every replica exposes the whole set. Rules and boards take one
series for each code (`topk by (target) (1, …)`): two replicas may have different versions for a moment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from fourones_alerting.metrics.series import head, label_values
from fourones_shared.catalogue.model import TOTAL, Catalogue
from fourones_shared.domain.ways import sense_of

TARGET = "fourones_target_info"
ORGANISATION = "fourones_organisation_info"
CLUSTER = "fourones_cluster_info"
PILLAR = "fourones_pillar_info"

# What a dimension that is not fixed is called.
WHOLE_CITY, NO_CLUSTER, NO_PILLAR = "全市", "不分集群", ""


class NameWindow:
    """What `/metrics` shows of names; written anew when another catalogue comes into force.

    Args:
        in_force: version and catalogue in force here; None before the first.
    """

    def __init__(self, in_force: Callable[[], tuple[int, Catalogue] | None]) -> None:
        self._in_force = in_force
        self._written: tuple[int, bytes] = (0, b"")

    def text(self) -> bytes:
        """The series; none before the first catalogue."""
        known = self._in_force()
        if known is None:
            return b""
        version, catalogue = known
        if self._written[0] != version:
            self._written = (version, exposition(catalogue))
        return self._written[1]


def exposition(catalogue: Catalogue) -> bytes:
    """The names of a catalogue's targets, organisations, clusters and pillars in Prometheus' text format."""
    lines = [
        *head(TARGET, "What a target is called, what it is about, and in which direction it leads."),
        *(f"{TARGET}{{{labels}}} 1.0" for labels in _targets(catalogue)),
        *head(ORGANISATION, "What an organisation is called."),
        *(
            f"{ORGANISATION}{{{label_values(org=o.id, org_name=o.name, kind=o.kind.value)}}} 1.0"
            for o in catalogue.organisations
        ),
        *head(CLUSTER, "What a cluster is called, its tier, and its place in the plan's order."),
        *(f"{CLUSTER}{{{labels}}} 1.0" for labels in _clusters(catalogue)),
        *head(PILLAR, "What one of the four ones is called."),
        *(f"{PILLAR}{{{label_values(pillar=p.id, pillar_name=p.name)}}} 1.0" for p in catalogue.pillars),
    ]
    return ("\n".join(lines) + "\n").encode()


def _clusters(catalogue: Catalogue) -> Iterator[str]:
    for position, cluster in enumerate(catalogue.clusters, start=1):
        # As text, positions must sort like numbers.
        yield label_values(cluster=cluster.id, cluster_name=cluster.name, tier=cluster.tier, position=f"{position:02d}")


def _targets(catalogue: Catalogue) -> Iterator[str]:
    pillars = {pillar.id: pillar.name for pillar in catalogue.pillars}
    for target in catalogue.targets:
        indicator, cluster = catalogue.indicator[target.indicator], catalogue.cluster.get(target.cluster)
        organisation = catalogue.organisation.get(target.org)
        yield label_values(
            target=target.id,
            target_name=target.name,
            plan=target.plan,
            plan_name=catalogue.plan[target.plan].name,
            indicator=target.indicator,
            indicator_name=indicator.name,
            unit=target.unit,
            direction="up" if sense_of(target, indicator) > 0 else "down",
            cluster=target.cluster,
            cluster_name=NO_CLUSTER if cluster is None else cluster.name,
            pillar=target.pillar or "",
            pillar_name=pillars.get(target.pillar or "", NO_PILLAR),
            org=target.org,
            org_name=WHOLE_CITY if target.org == TOTAL or organisation is None else organisation.name,
        )
