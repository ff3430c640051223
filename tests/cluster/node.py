"""A real Kubernetes on this machine, for as long as a test needs it."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import IO

import yaml
from support.waiting import eventually

ADDRESS = "10.99.0.1"
_HERE = Path(__file__).parent
_SUBJECTS = {
    "admin": "/O=system:masters/CN=admin",
    "controller-manager": "/CN=system:kube-controller-manager",
    "scheduler": "/CN=system:kube-scheduler",
    "proxy": "/CN=system:kube-proxy",
    "kubelet": "/O=system:nodes/CN=system:node:node",
    "apiserver": "/CN=kube-apiserver",
}
_NAMES = {
    "apiserver": f"IP:{ADDRESS},IP:10.96.0.1,DNS:kubernetes.default.svc",
    "kubelet": f"IP:{ADDRESS}",
}


class Node:
    """A running Kubernetes of one node.

    Args:
        state: its files; removed with it.
        inside: the process within its namespaces.
    """

    def __init__(self, state: Path, inside: int) -> None:
        self.state = state
        self._enter = ["nsenter", f"--target={inside}", "--net", "--mount", "--pid"]
        kubectl = str(Path(sysconfig.get_path("scripts")) / "kubectl")
        self._kubectl = [*self._enter, kubectl, f"--kubeconfig={state / 'conf' / 'admin.kubeconfig'}"]

    def kubectl(self, *arguments: str, may_fail: bool = False) -> str:
        """What kubectl prints.

        Raises:
            AssertionError: it failed, with what it said.
        """
        done = subprocess.run(
            [*self._kubectl, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        assert may_fail or done.returncode == 0, done.stdout
        return done.stdout

    def bring(self, *images: str) -> None:
        """Gives it images that Docker has."""
        with subprocess.Popen(["docker", "save", *images], stdout=subprocess.PIPE) as saved:
            self._import("-", saved.stdout)
        assert saved.returncode == 0, images

    def bring_program(self, image: str, program: Path) -> None:
        """Gives it an image of nothing but a program that needs nothing else."""
        self._import(str(_image_of(image, program, self.state / f"{program.name}.tar")))

    @contextmanager
    def enforcing(self) -> Iterator[None]:
        """NetworkPolicies are kept to, and follow what changes while the block runs."""
        with (self.state / "log" / "policies.log").open("wb") as log:
            process = subprocess.Popen(
                [*self._enter, sys.executable, "-m", "cluster.policies", *self._kubectl[len(self._enter) :]],
                env=os.environ | {"PYTHONPATH": str(_HERE.parent)},
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            yield
            assert process.poll() is None, (self.state / "log" / "policies.log").read_text(encoding="utf-8")
        finally:
            process.kill()
            process.wait()

    def _import(self, source: str, stream: IO[bytes] | None = None) -> None:
        subprocess.run(
            [
                *self._enter,
                "ctr",
                f"--address={self.state / 'containerd.sock'}",
                "-n=k8s.io",
                "images",
                "import",
                source,
            ],
            stdin=stream,
            stdout=subprocess.DEVNULL,
            check=True,
        )


@contextmanager
def a_node(binaries: Path) -> Iterator[Node]:
    """A node that takes pods: names are resolved, claims of storage are met, policies are kept to.

    Raises:
        AssertionError: a program that it needs is missing.
    """
    missing = [name for name in ("containerd", "runc", "ctr", "iptables", "conntrack") if not shutil.which(name)]
    assert not missing, f"missing on this machine; on Debian: apt-get install containerd iptables conntrack ({missing})"
    # Sockets lie in it: their paths must be short.
    state = Path(mkdtemp(prefix="fo-node-"))
    groups = _control_groups(state.name)
    _prepare(state, binaries)
    namespaces = ["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    with (state / "log" / "node.log").open("wb") as log:
        process = subprocess.Popen(
            ["unshare", *namespaces, str(_HERE / "node.sh"), str(state), str(binaries)],
            stdout=log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
        )
    try:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        eventually(lambda: children.read_text(encoding="utf-8").strip() != "")
        node = Node(state, int(children.read_text(encoding="utf-8").split()[0]))
        eventually(lambda: " Ready " in node.kubectl("get", "nodes", may_fail=True), within_s=120)
        for program in ("pause", "coredns"):
            node.bring_program(f"docker.io/fourones/{program}:cluster", binaries / program)
        addons = (_HERE / "addons.yaml").read_text(encoding="utf-8").replace("STATE", str(state))
        (state / "conf" / "addons.yaml").write_text(addons, encoding="utf-8")
        node.kubectl("apply", "-f", str(state / "conf" / "addons.yaml"))
        node.kubectl("-n", "kube-system", "wait", "--for=condition=Available", "deployment/coredns", "--timeout=2m")
        with node.enforcing():
            yield node
    finally:
        process.kill()
        process.wait()
        eventually(lambda: _remove(groups))
        shutil.rmtree(state, ignore_errors=True)


def _prepare(state: Path, binaries: Path) -> None:
    for folder in ("pki", "conf", "cni", "log", *(f"volumes/{number}" for number in range(4))):
        (state / folder).mkdir(parents=True)
    conf = state / "conf"
    _make_certificates(state / "pki")
    for name in ("admin", "controller-manager", "scheduler", "proxy", "kubelet"):
        _write(conf / f"{name}.kubeconfig", _kubeconfig(state / "pki", name))
    _write(conf / "kubelet.yaml", _kubelet(state))
    (conf / "resolv.conf").write_text("nameserver 127.0.0.1\n", encoding="utf-8")
    (conf / "containerd.toml").write_text(
        _CONTAINERD.replace("STATE", str(state)).replace("BINARIES", str(binaries)), encoding="utf-8"
    )
    (state / "cni" / "bridge.conflist").write_text(json.dumps(_NETWORK), encoding="utf-8")


def _make_certificates(folder: Path) -> None:
    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, stderr=subprocess.DEVNULL, check=True)

    key = ("-newkey", "rsa:2048", "-nodes")
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=fourones-cluster")
    for name, subject in _SUBJECTS.items():
        openssl("req", *key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", subject)
        lines = ["extendedKeyUsage=clientAuth,serverAuth"]
        if name in _NAMES:
            lines.append(f"subjectAltName={_NAMES[name]}")
        (folder / f"{name}.ext").write_text("\n".join(lines), encoding="utf-8")
        signed = ("-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", f"{name}.ext")
        openssl("x509", "-req", "-in", f"{name}.csr", *signed, "-out", f"{name}.crt")
    openssl("genrsa", "-out", "accounts.key", "2048")
    openssl("rsa", "-in", "accounts.key", "-pubout", "-out", "accounts.pub")


def _kubeconfig(pki: Path, name: str) -> object:
    cluster = {"server": f"https://{ADDRESS}:6443", "certificate-authority": str(pki / "ca.crt")}
    user = {"client-certificate": str(pki / f"{name}.crt"), "client-key": str(pki / f"{name}.key")}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "node", "cluster": cluster}],
        "users": [{"name": name, "user": user}],
        "contexts": [{"name": "node", "context": {"cluster": "node", "user": name}}],
        "current-context": "node",
    }


def _kubelet(state: Path) -> object:
    pki = state / "pki"
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": ADDRESS,
        "healthzBindAddress": "127.0.0.1",
        "clusterDNS": ["10.96.0.10"],
        "clusterDomain": "cluster.local",
        "resolvConf": str(state / "conf" / "resolv.conf"),
        "containerRuntimeEndpoint": f"unix://{state / 'containerd.sock'}",
        "podLogsDir": str(state / "pods"),
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{state.name}",
        "failCgroupV1": False,
        "failSwapOn": False,
        "oomScoreAdj": 0,
        "authentication": {"anonymous": {"enabled": False}, "x509": {"clientCAFile": str(pki / "ca.crt")}},
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(pki / "kubelet.crt"),
        "tlsPrivateKeyFile": str(pki / "kubelet.key"),
        # A machine that is nearly full is none of its business.
        "imageGCHighThresholdPercent": 100,
        "evictionHard": {"memory.available": "100Mi"},
    }


_CONTAINERD = """version = 2
root = "STATE/containerd"
state = "STATE/run"
[grpc]
  address = "STATE/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "fourones/pause:cluster"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "BINARIES"
    conf_dir = "STATE/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
"""
_NETWORK = {
    "cniVersion": "1.0.0",
    "name": "pods",
    "plugins": [
        {
            "type": "bridge",
            "bridge": "pods0",
            "isGateway": True,
            "hairpinMode": True,
            "ipam": {
                "type": "host-local",
                "ranges": [[{"subnet": "10.244.0.0/24"}]],
                "routes": [{"dst": "0.0.0.0/0"}],
            },
        },
        {"type": "portmap", "capabilities": {"portMappings": True}},
    ],
}


def _write(path: Path, document: object) -> None:
    path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")


def _control_groups(name: str) -> Sequence[Path]:
    """Its own in every hierarchy that there is: one, or one a controller."""
    root = Path("/sys/fs/cgroup")
    hierarchies = [root] if (root / "cgroup.controllers").exists() else sorted(root.iterdir())
    made = [hierarchy.resolve() / name for hierarchy in hierarchies if (hierarchy / "cgroup.procs").exists()]
    for group in made:
        group.mkdir(exist_ok=True)
    return made


def _remove(groups: Sequence[Path]) -> bool:
    for group in groups:
        for folder in sorted((path for path in group.rglob("*") if path.is_dir()), reverse=True):
            with contextlib.suppress(OSError):
                folder.rmdir()
        with contextlib.suppress(OSError):
            group.rmdir()
    return not any(group.exists() for group in groups)


def _image_of(name: str, program: Path, path: Path) -> Path:
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as archive:
        archive.add(program, arcname=program.name)
    content = layer.getvalue()
    digest = hashlib.sha256(content).hexdigest()
    described = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Entrypoint": [f"/{program.name}"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
    }
    files = {
        "config.json": json.dumps(described).encode(),
        "layer.tar": content,
        "manifest.json": json.dumps([{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]).encode(),
    }
    with tarfile.open(path, "w") as archive:
        for file, data in files.items():
            told = tarfile.TarInfo(file)
            told.size = len(data)
            archive.addfile(told, io.BytesIO(data))
    return path
