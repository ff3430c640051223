"""Kubernetes compiled from Go's module proxy: what this is for has no image registry, nor a way to its releases."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

# Checked against Go's checksum database, as all that `go` fetches.
KUBERNETES = "1.34.4"
ETCD = "3.6.5"
PLUGINS = "1.9.1"
COREDNS = "1.12.4"

_KUBERNETES = tuple(
    f"kube-{name}" if name != "kubelet" else name
    for name in ("apiserver", "controller-manager", "scheduler", "kubelet", "proxy")
)
_PLUGINS = ("main/bridge", "main/loopback", "ipam/host-local", "meta/portmap")
# A process that holds a pod's namespaces.
_PAUSE = """package main

import (
	"os"
	"os/signal"
	"syscall"
)

func main() {
	told := make(chan os.Signal, 1)
	signal.Notify(told, syscall.SIGTERM, syscall.SIGINT)
	<-told
}
"""
_ETCD = """package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() { etcdmain.Main(os.Args) }
"""


def build(folder: Path) -> None:
    """Compiles what is not there yet: some eight minutes on two cores, a gigabyte of modules.

    Raises:
        subprocess.CalledProcessError: `go` said why, on its standard error.
    """
    folder.mkdir(parents=True, exist_ok=True)
    kubernetes = [name for name in _KUBERNETES if not (folder / name).exists()]
    if kubernetes:
        _build_kubernetes(folder, kubernetes)
    if not (folder / "etcd").exists():
        _build_main(folder / "etcd", _ETCD, f"go.etcd.io/etcd/server/v3@v{ETCD}")
    if not (folder / "pause").exists():
        _build_main(folder / "pause", _PAUSE)
    packages = [f"github.com/containernetworking/plugins/plugins/{name}@v{PLUGINS}" for name in _PLUGINS]
    for package in (*packages, f"github.com/coredns/coredns@v{COREDNS}"):
        if not (folder / package.split("@")[0].rsplit("/", 1)[1]).exists():
            _go("install", "-ldflags=-s -w", package, GOBIN=str(folder))


def _build_kubernetes(folder: Path, names: list[str]) -> None:
    # Its own go.mod puts folders of its repository in the place of modules that are published, too.
    module = f"k8s.io/kubernetes@v{KUBERNETES}"
    staged = f"v0.{KUBERNETES.split('.', 1)[1]}"
    with TemporaryDirectory() as place:
        found = json.loads(_go("mod", "download", "-json", module))
        stated = json.loads(_go("mod", "edit", "-json", found["GoMod"]))
        aside = [replaced["Old"]["Path"] for replaced in stated["Replace"]]
        _go("mod", "init", "fourones/cluster", within=place)
        options = [f"-replace={path}={path}@{staged}" for path in aside]
        _go("mod", "edit", f"-require={module}", *options, within=place)
        imports = "\n".join(f'\t_ "k8s.io/kubernetes/cmd/{name}/app"' for name in _KUBERNETES)
        (Path(place) / "programs.go").write_text(f"package programs\n\nimport (\n{imports}\n)\n", encoding="utf-8")
        _go("mod", "tidy", within=place)
        version = "k8s.io/component-base/version"
        major, minor, _ = KUBERNETES.split(".")
        said = {"gitVersion": f"v{KUBERNETES}", "gitMajor": major, "gitMinor": minor}
        flags = " ".join(["-s -w", *(f"-X {version}.{name}={value}" for name, value in said.items())])
        for name in names:
            _go("build", "-ldflags", flags, "-o", str(folder / name), f"k8s.io/kubernetes/cmd/{name}", within=place)


def _build_main(program: Path, source: str, *modules: str) -> None:
    with TemporaryDirectory() as place:
        (Path(place) / "main.go").write_text(source, encoding="utf-8")
        _go("mod", "init", "fourones/cluster", within=place)
        for module in modules:
            _go("get", module, within=place)
        _go("mod", "tidy", within=place)
        _go("build", "-ldflags=-s -w", "-o", str(program), ".", within=place)


def _go(*arguments: str, within: str | None = None, **environment: str) -> str:
    settings: Mapping[str, str] = {"CGO_ENABLED": "0", "GOFLAGS": "-mod=mod", "GOTOOLCHAIN": "local"} | environment
    if arguments[0] == "install":
        settings = {**settings, "GOFLAGS": ""}
    done = subprocess.run(
        ["go", *arguments], cwd=within, env=os.environ | settings, stdout=subprocess.PIPE, text=True, check=True
    )
    return done.stdout
