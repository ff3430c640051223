"""Enforces NetworkPolicies on a node of one's own, by iptables: `python -m cluster.policies KUBECTL…`.

Every half second the rules are made anew of all pods, namespaces and policies. An answer to what was allowed passes;
what a policy's pod is not allowed is refused at once, so that it shows as a refused connection and not as a silence.
Blocks of addresses are taken without their exceptions.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from support.selecting import selects

_CHAIN = "POLICIES"
Object = Mapping[str, Any]


def main(kubectl: Sequence[str]) -> None:
    """The command; it ends with the node."""
    _iptables("-N", _CHAIN)
    for hook in ("FORWARD", "INPUT"):
        _iptables("-I", hook, "1", "-j", _CHAIN)
    before = ""
    while True:
        found = {kind: _listed(kubectl, kind) for kind in ("namespaces", "pods", "networkpolicies")}
        rules = "\n".join(_rules(found["namespaces"], _with_address(found["pods"]), found["networkpolicies"]))
        if rules != before:
            subprocess.run(["iptables-restore", "--wait", "--noflush"], input=rules, text=True, check=True)
            before = rules
        # A node's controller has no condition to wait for: what is there changes at any time, until the node ends.
        time.sleep(0.5)


def _iptables(*arguments: str) -> None:
    subprocess.run(["iptables", "--wait", *arguments], check=True)


def _listed(kubectl: Sequence[str], kind: str) -> list[Object]:
    said = subprocess.run([*kubectl, "get", kind, "-A", "-o", "json"], stdout=subprocess.PIPE, check=True).stdout
    items: list[Object] = json.loads(said)["items"]
    return items


def _with_address(pods: Sequence[Object]) -> list[Object]:
    return [
        pod
        for pod in pods
        if pod["status"].get("podIP")
        and pod["status"]["phase"] in {"Pending", "Running"}
        and not pod["spec"].get("hostNetwork")
    ]


def _rules(namespaces: Sequence[Object], pods: Sequence[Object], policies: Sequence[Object]) -> Iterator[str]:
    labels = {each["metadata"]["name"]: each["metadata"].get("labels", {}) for each in namespaces}
    first: list[str] = [f"-A {_CHAIN} -m conntrack --ctstate RELATED,ESTABLISHED -j RETURN"]
    then: list[str] = []
    names: list[str] = [_CHAIN]
    for number, pod in enumerate(pods):
        for way, own in (("Egress", "-s"), ("Ingress", "-d")):
            concerning = [policy for policy in policies if _concerns(policy, pod, way)]
            if not concerning:
                continue
            name = f"{way}-{number}"
            names.append(name)
            first.append(f"-A {_CHAIN} {own} {pod['status']['podIP']} -j {name}")
            for policy in concerning:
                then += [f"-A {name} {match} -j RETURN" for match in _allowed(policy, pod, way, pods, labels)]
            then.append(f"-A {name} -j REJECT")
    yield "*filter"
    yield from (f":{name} - [0:0]" for name in names)
    yield from first
    yield from then
    yield "COMMIT\n"


def _concerns(policy: Object, pod: Object, way: str) -> bool:
    spec = policy["spec"]
    return (
        policy["metadata"]["namespace"] == pod["metadata"]["namespace"]
        and way in spec.get("policyTypes", ["Ingress"])
        and selects(spec["podSelector"], pod["metadata"].get("labels", {}))
    )


def _allowed(
    policy: Object, pod: Object, way: str, pods: Sequence[Object], labels: Mapping[str, Mapping[str, str]]
) -> Iterator[str]:
    peers_of, other = ("to", "-d") if way == "Egress" else ("from", "-s")
    for rule in policy["spec"].get(way.lower(), []):
        for address, peer in _peers(rule.get(peers_of), policy, pods, labels):
            where = f"{other} {address}" if address else ""
            for port in rule.get("ports") or [{}]:
                what = _port(port, pod if way == "Ingress" else peer)
                if what is not None:
                    yield f"{where} {what}"


def _peers(
    stated: Sequence[Object] | None,
    policy: Object,
    pods: Sequence[Object],
    labels: Mapping[str, Mapping[str, str]],
) -> Iterator[tuple[str, Object | None]]:
    if not stated:
        yield "", None
    for peer in stated or ():
        if "ipBlock" in peer:
            yield peer["ipBlock"]["cidr"], None
            continue
        for pod in pods:
            namespace = pod["metadata"]["namespace"]
            if "namespaceSelector" in peer:
                there = selects(peer["namespaceSelector"], labels[namespace])
            else:
                there = namespace == policy["metadata"]["namespace"]
            if there and selects(peer.get("podSelector", {}), pod["metadata"].get("labels", {})):
                yield pod["status"]["podIP"], pod


def _port(stated: Object, pod: Object | None) -> str | None:
    """The match; None when the pod has no port of this name."""
    if not stated:
        return ""
    number = stated.get("port")
    if isinstance(number, str):
        containers = [] if pod is None else pod["spec"]["containers"]
        named = {port.get("name"): port["containerPort"] for each in containers for port in each.get("ports", [])}
        if number not in named:
            return None
        number = named[number]
    protocol = f"-p {stated.get('protocol', 'TCP').lower()}"
    return protocol if number is None else f"{protocol} --dport {number}:{stated.get('endPort', number)}"


if __name__ == "__main__":
    main(sys.argv[1:])
