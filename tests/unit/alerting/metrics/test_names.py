from prometheus_client.parser import text_string_to_metric_families
from unit.alerting.builders import CLUSTER, SCALE_TARGET, SMES_TARGET, a_catalogue

from fourones_alerting.metrics.names import NameWindow, exposition
from fourones_shared.catalogue.model import Catalogue


def named(catalogue):
    families = text_string_to_metric_families(exposition(catalogue).decode())
    return {family.name: [sample.labels for sample in family.samples] for family in families}


def test_every_target_organisation_and_cluster_is_named_once():
    catalogue = a_catalogue()
    names = named(catalogue)
    assert {labels["target"] for labels in names["fourones_target_info"]} == {t.id for t in catalogue.targets}
    assert len(names["fourones_target_info"]) == len(catalogue.targets)
    assert len(names["fourones_organisation_info"]) == len(catalogue.organisations)
    [cluster] = names["fourones_cluster_info"]
    assert cluster == {"cluster": CLUSTER, "cluster_name": "工程机械", "tier": "advantage", "position": "01"}


def test_a_target_is_told_with_its_plan_unit_direction_and_what_it_is_about():
    targets = {labels["target"]: labels for labels in named(a_catalogue())["fourones_target_info"]}
    scale, smes = targets[SCALE_TARGET], targets[SMES_TARGET]
    assert (scale["cluster_name"], scale["plan_name"], scale["direction"]) == ("工程机械", "集群方案", "up")
    assert (smes["cluster"], smes["cluster_name"], smes["unit"]) == ("_T", "不分集群", "家")


def test_names_follow_the_catalogue_in_force():
    catalogue = a_catalogue()
    in_force = None
    window = NameWindow(lambda: in_force)
    assert window.text() == b""
    in_force = (1, catalogue)
    assert 'cluster_name="工程机械"'.encode() in window.text()
    document = catalogue.model_dump()
    document["clusters"][0]["name"] = "装备制造"
    in_force = (2, Catalogue.model_validate(document))
    assert 'cluster_name="装备制造"'.encode() in window.text()
    assert 'cluster_name="工程机械"'.encode() not in window.text()
