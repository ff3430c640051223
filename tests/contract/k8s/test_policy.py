"""What every pod must keep: the restricted pod security standard, limits, probes, pinned images."""

import re
from collections.abc import Mapping
from typing import Any

import pytest
from contract.k8s.rendering import OVERLAYS, Pods, amount, named, of_kind, pods

from fourones_shared import process

PODS = [pytest.param(overlay, p, id=f"{overlay}-{p}") for overlay in OVERLAYS for p in pods(overlay)]
each_pod = pytest.mark.parametrize(("overlay", "pods_of"), PODS)

# https://kubernetes.io/docs/concepts/security/pod-security-standards/, "restricted".
_VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}


@each_pod
def test_it_passes_the_restricted_pod_security_standard(overlay: str, pods_of: Pods) -> None:
    spec = pods_of.spec
    assert not {"hostNetwork", "hostPID", "hostIPC", "hostUsers"} & spec.keys()
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] > 0
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not {"sysctls", "seLinuxOptions"} & spec["securityContext"].keys()
    for volume in spec["volumes"]:
        assert volume.keys() - {"name"} <= _VOLUMES, volume
    for container in pods_of.containers:
        context = container["securityContext"]
        assert context["allowPrivilegeEscalation"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert not {"privileged", "procMount", "runAsUser", "runAsNonRoot"} & context.keys()
        assert not any("hostPort" in port for port in container.get("ports", ()))


@each_pod
def test_it_writes_only_where_it_says(overlay: str, pods_of: Pods) -> None:
    declared = {v["name"] for v in pods_of.spec["volumes"]} | {
        claim["metadata"]["name"]
        for manifest in of_kind(overlay, "StatefulSet")
        if manifest["metadata"]["name"] == pods_of.name
        for claim in manifest["spec"]["volumeClaimTemplates"]
    }
    bounded = {v["name"]: v["emptyDir"]["sizeLimit"] for v in pods_of.spec["volumes"] if "emptyDir" in v}
    for container in pods_of.containers:
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        mounts = {mount["name"]: mount for mount in container.get("volumeMounts", ())}
        assert mounts.keys() <= declared
        writable = {name for name, mount in mounts.items() if not mount.get("readOnly")}
        assert writable <= bounded.keys() | {"data"}, container["name"]


@each_pod
def test_it_asks_for_what_it_needs_and_takes_no_more(overlay: str, pods_of: Pods) -> None:
    for container in pods_of.containers:
        resources = container["resources"]
        for name in ("cpu", "memory"):
            assert amount(resources["requests"][name]) <= amount(resources["limits"][name])


@each_pod
def test_its_images_are_pinned(overlay: str, pods_of: Pods) -> None:
    for container in pods_of.containers:
        assert re.fullmatch(r"[a-z0-9./-]+:[0-9][0-9A-Za-z.-]*", container["image"]), container["image"]
        assert container["imagePullPolicy"] == "IfNotPresent"


@each_pod
def test_it_shows_itself_to_the_cluster_only_where_it_must(overlay: str, pods_of: Pods) -> None:
    assert pods_of.spec["automountServiceAccountToken"] is (pods_of.name == "passwords")
    # A Service's variables would be taken for settings.
    assert pods_of.spec["enableServiceLinks"] is False
    account = pods_of.spec.get("serviceAccountName")
    if account is not None:
        assert named(overlay, "ServiceAccount", account)["automountServiceAccountToken"] is False


@each_pod
def test_what_serves_is_probed_and_what_ends_ends(overlay: str, pods_of: Pods) -> None:
    [container] = pods_of.spec["containers"]
    if pods_of.kind == "Job":
        # By `OnFailure` the pod is gone when its Job gives up, and why with it.
        assert pods_of.spec["restartPolicy"] == "Never"
        assert not {"livenessProbe", "readinessProbe", "startupProbe"} & container.keys()
        return
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        how = container[probe]
        if pods_of.kind == "Deployment":
            path = "/readyz" if probe == "readinessProbe" else "/healthz"
            assert how["httpGet"] == {"path": path, "port": "http"}
            assert ports == {"http": 8080}
        else:
            assert {"exec", "tcpSocket"} & how.keys()


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_a_rolling_update_takes_nothing_away_before_something_else_is_there(overlay: str) -> None:
    budgets = {b["metadata"]["name"]: b["spec"] for b in of_kind(overlay, "PodDisruptionBudget")}
    deployments = of_kind(overlay, "Deployment")
    assert {d["metadata"]["name"] for d in deployments} == budgets.keys()
    for deployment in deployments:
        spec = deployment["spec"]
        assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
        assert budgets[deployment["metadata"]["name"]]["selector"] == spec["selector"]
        spread = spec["template"]["spec"]["topologySpreadConstraints"]
        assert [s["topologyKey"] for s in spread] == ["kubernetes.io/hostname", "topology.kubernetes.io/zone"]
        assert all(s["labelSelector"] == spec["selector"] for s in spread)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_an_end_has_the_time_that_it_takes(overlay: str) -> None:
    drain_s = float(_settings(overlay)["FOURONES_DRAIN_S"])
    for deployment in of_kind(overlay, "Deployment"):
        spec = deployment["spec"]["template"]["spec"]
        role = deployment["spec"]["selector"]["matchLabels"]["app.kubernetes.io/component"]
        needed = process.GRACE_S + process.THREADS_END_S + (drain_s if role == "api" else 0)
        assert spec["terminationGracePeriodSeconds"] >= needed + 5, deployment["metadata"]["name"]
        # Long enough for two looks of the slowest that distributes requests.
        probe = spec["containers"][0]["readinessProbe"]
        assert role == "worker" or drain_s > probe["periodSeconds"] * probe["failureThreshold"]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_who_is_scaled_has_no_number_of_its_own(overlay: str) -> None:
    scaled = {o["spec"]["scaleTargetRef"]["name"] for o in of_kind(overlay, "HorizontalPodAutoscaler", "ScaledObject")}
    for deployment in of_kind(overlay, "Deployment"):
        assert ("replicas" in deployment["spec"]) is (deployment["metadata"]["name"] not in scaled)
    assert scaled <= {d["metadata"]["name"] for d in of_kind(overlay, "Deployment")}


def _settings(overlay: str) -> Mapping[str, Any]:
    [found] = [m for m in of_kind(overlay, "ConfigMap") if m["metadata"]["name"].startswith("fourones-settings-")]
    return dict(found["data"])
