"""The local installation's passwords: each made once, none known beforehand."""

import base64
import importlib.util
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import certifi
import pytest
from contract.k8s.rendering import K8S, pods
from contract.k8s.schemas import faults

NAMESPACE = "somewhere"


class Cluster(HTTPServer):
    """As much of the cluster's API as creates Secrets: 201 the first time, 409 after that."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Creates)
        self.secrets: dict[str, Any] = {}
        self.asked: set[tuple[str, str | None]] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Creates(BaseHTTPRequestHandler):
    server: Cluster

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.add((self.path, self.headers["Authorization"]))
        there = body["metadata"]["name"] in self.server.secrets
        if not there:
            self.server.secrets[body["metadata"]["name"]] = body
        self.send_response(409 if there else 201)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with Cluster() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def account(tmp_path: Path) -> Path:
    (tmp_path / "namespace").write_text(NAMESPACE, encoding="utf-8")
    (tmp_path / "token").write_text("a-token\n", encoding="utf-8")
    (tmp_path / "ca.crt").write_text(Path(certifi.where()).read_text(encoding="utf-8"), encoding="utf-8")
    return tmp_path


def test_each_is_made_once_and_none_is_shown(
    cluster: Cluster, account: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = importlib.util.spec_from_file_location("passwords", K8S / "overlays" / "local" / "passwords.py")
    assert spec is not None
    assert spec.loader is not None
    passwords = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(passwords)

    passwords.main(account, cluster.url)
    first = dict(cluster.secrets)
    passwords.main(account, cluster.url)

    assert cluster.asked == {(f"/api/v1/namespaces/{NAMESPACE}/secrets", "Bearer a-token")}
    assert cluster.secrets == first
    assert first.keys() == passwords.WANTED.keys()
    made = {
        base64.b64decode(secret["data"][field]).decode()
        for name, secret in first.items()
        for field, value in passwords.WANTED[name].items()
        if value is None
    }
    assert len(made) == len(first)
    assert all(len(password) > 40 for password in made)
    shown = capsys.readouterr().out
    assert not any(password in shown for password in made)
    assert [fault for secret in first.values() for fault in faults(secret)] == []


def test_what_a_pod_would_start_without_is_there_before_what_it_waits_for() -> None:
    spec = importlib.util.spec_from_file_location("passwords", K8S / "overlays" / "local" / "passwords.py")
    assert spec is not None
    assert spec.loader is not None
    passwords = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(passwords)
    order = list(passwords.WANTED)

    found = 0
    for p in pods("local"):
        mounted = [s["secret"] for v in p.spec["volumes"] for s in v.get("projected", {}).get("sources", ())]
        for wanted in (s["name"] for s in mounted if s.get("optional") and s["name"] in order):
            found += 1
            assert any(order.index(wanted) < order.index(s["name"]) for s in mounted if not s.get("optional")), p
    assert found
