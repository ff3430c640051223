"""Pushing boards into a Grafana, held against a small server that keeps to the part of its API that is used."""

import json
import os
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from load.tools import tool

from fourones_grafana.boards import boards
from fourones_local.layout import Repository
from fourones_local.ports import free_port

TOKEN = "of-a-service-account"  # noqa: S105 - of the tests
UIDS = [board.uid for board in boards()]


class Grafana(BaseHTTPRequestHandler):
    """Folders, boards, search and the organisation's preferences; every board it stores gets an id and a version."""

    server: "Server"

    def do_GET(self) -> None:
        self.server.tokens.add(self.headers["Authorization"])
        path, query = urlsplit(self.path).path, parse_qs(urlsplit(self.path).query)
        if path.startswith("/api/folders/"):
            self.answer(200 if path.rsplit("/", 1)[1] in self.server.folders else 404, {})
        elif path.startswith("/api/dashboards/uid/"):
            stored = self.server.boards.get(path.rsplit("/", 1)[1])
            self.answer(404 if stored is None else 200, stored or {"message": "Dashboard not found"})
        elif path == "/api/search":
            found = [
                {"uid": uid, "tags": b["dashboard"].get("tags", []), "folderUid": b["meta"]["folderUid"]}
                for uid, b in self.server.boards.items()
                if b["meta"]["folderUid"] in query["folderUIDs"]
                and {*query["tag"]} <= {*b["dashboard"].get("tags", [])}
            ]
            self.answer(200, found)

    def do_POST(self) -> None:
        body = self.body()
        if not self.server.may_edit:
            self.answer(403, {"message": "You'll need additional permissions"})
        elif self.path == "/api/folders":
            self.server.folders[body["uid"]] = body["title"]
            self.answer(200, body)
        elif self.path == "/api/dashboards/db":
            uid = body["dashboard"]["uid"]
            before = self.server.boards.get(uid)
            version = before["dashboard"]["version"] + 1 if before else 1
            stored = body["dashboard"] | {"id": 40 + len(self.server.boards), "version": version}
            self.server.boards[uid] = {"dashboard": stored, "meta": {"folderUid": body["folderUid"]}}
            self.answer(200, {"uid": uid, "version": version, "status": "success"})

    def do_DELETE(self) -> None:
        del self.server.boards[self.path.rsplit("/", 1)[1]]
        self.answer(200, {})

    def do_PATCH(self) -> None:
        self.server.home = self.body()["homeDashboardUID"]
        self.answer(200, {})

    def body(self) -> dict[str, Any]:
        return dict(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def answer(self, status: int, body: Any) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        pass


class Server(ThreadingHTTPServer):
    folders: dict[str, str]
    boards: dict[str, Any]
    home: str | None
    may_edit: bool
    tokens: set[str]


@pytest.fixture
def grafana() -> Iterator[Server]:
    server = Server(("127.0.0.1", 0), Grafana)
    server.folders, server.boards, server.home, server.may_edit = {}, {}, None, True
    server.tokens = set()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


class Push:
    """The command, in the environment that `make boards-push` makes."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._environment = {
            "GRAFANA_URL": f"http://127.0.0.1:{server.server_port}",
            "GRAFANA_TOKEN": TOKEN,
            "PYTHONPATH": str(Repository.here().root / "grafana/src"),
            "NO_PROXY": "127.0.0.1",
        }

    def __call__(self, *options: str, ends_with: int = 0) -> str:
        command = [tool("python", of="boards"), "-m", "fourones_grafana", "push", *options]
        done = subprocess.run(command, env=os.environ | self._environment, capture_output=True, text=True, check=False)
        assert done.returncode == ends_with, done.stderr
        return done.stdout if ends_with == 0 else done.stderr


@pytest.fixture
def push(grafana: Server) -> Push:
    return Push(grafana)


def said(word: str, *uids: str) -> list[str]:
    return [f"{word:<9} {uid}" for uid in uids]


def test_a_first_push_makes_the_folder_and_every_board_and_a_second_changes_nothing(grafana: Server, push: Push):
    assert push().splitlines() == said("created", *UIDS)
    assert grafana.folders == {"fourones": "四个一"}
    assert grafana.home is None
    assert grafana.tokens == {f"Bearer {TOKEN}"}
    assert push().splitlines() == said("unchanged", *UIDS)


def test_only_what_is_its_own_is_put_right_or_deleted(grafana: Server, push: Push):
    push("--home")
    assert grafana.home == "fourones-overview"
    grafana.boards[UIDS[2]]["dashboard"]["title"] = "somebody's"
    for uid, tags, folder in (
        ("fourones-old", ["fourones"], "fourones"),
        ("of-a-department", ["mine"], "fourones"),
        ("elsewhere", ["fourones"], "other"),
    ):
        board = {"uid": uid, "tags": tags, "version": 1}
        grafana.boards[uid] = {"dashboard": board, "meta": {"folderUid": folder}}
    others = [uid for uid in UIDS if uid != UIDS[2]]
    assert push().splitlines() == [
        *said("updated", UIDS[2]),
        *said("unchanged", *others),
        *said("deleted", "fourones-old"),
    ]
    assert grafana.boards[UIDS[2]]["dashboard"]["title"] == "县区"
    assert {"of-a-department", "elsewhere"} <= grafana.boards.keys()


def test_a_refusal_is_told_with_grafanas_reason(grafana: Server, push: Push):
    grafana.may_edit = False
    assert "403: You'll need additional permissions" in push(ends_with=1)


def test_nobody_at_the_address_is_told_in_a_line(grafana: Server, push: Push):
    told = push("--url", f"http://127.0.0.1:{free_port()}", ends_with=1)
    assert "does not answer" in told
    assert len(told.splitlines()) == 1
