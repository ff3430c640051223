"""Brings the boards into a running Grafana over its API; creates, updates and deletes only what is its own.

Its own are the folder `fourones` and, in it, the boards with the tag `fourones`: whatever else lies there stays.
Needs `grafana-client`, in an environment of its own (`make boards-push` makes it): its HTTP library puts a fork of
urllib3 in the place of the original, for every program beside it.

Source: Grafana's HTTP API: folders, dashboards, search, preferences.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from grafana_client import GrafanaApi, TokenAuth
from grafana_client.client import GrafanaClientError, GrafanaException
from grafana_client.model import PersonalPreferences

from fourones_grafana.board import FOLDER, FOLDER_UID, TAG, Board
from fourones_grafana.errors import Refused
from fourones_grafana.generating import as_json

# What Grafana adds to a board that it stores.
_ADDED = ("id", "version")
# Far more than there are boards.
_MOST = 500


NOT_FOUND = 404
TIMEOUT_S = 30.0


@dataclass
class Pushed:
    """What was done, by the boards' uids."""

    created: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)


def grafana_at(url: str, token: str) -> GrafanaApi:
    """The Grafana at this address, for the bearer of a service account's token."""
    return GrafanaApi.from_url(url, credential=TokenAuth(token), timeout=TIMEOUT_S)


def push(grafana: GrafanaApi, boards: Iterable[Board], *, home: bool = False) -> Pushed:
    """Make Grafana show exactly these boards in the folder.

    Args:
        grafana: for the bearer of a token that may edit folders and boards.
        boards: the first of them is home.
        home: make it everybody's, too; needs the right to change the organisation's preferences.

    Raises:
        Refused: with Grafana's reason.
    """
    try:
        return _pushed(grafana, [json.loads(as_json(board)) for board in boards], home=home)
    except GrafanaException as refused:
        raise Refused(f"{grafana.url}: {refused}") from refused
    except OSError as away:
        raise Refused(f"{grafana.url} does not answer: {away}") from away


def _pushed(grafana: GrafanaApi, documents: Sequence[dict[str, Any]], *, home: bool) -> Pushed:
    done = Pushed()
    if _found(grafana.folder.get_folder, FOLDER_UID) is None:
        grafana.folder.create_folder(FOLDER, uid=FOLDER_UID)
    for document in documents:
        there = _found(grafana.dashboard.get_dashboard, document["uid"])
        if there is not None and _same(there, document):
            done.unchanged.append(document["uid"])
            continue
        body = {"dashboard": document, "folderUid": FOLDER_UID, "overwrite": True, "message": "fourones-grafana push"}
        grafana.dashboard.update_dashboard(body)
        (done.created if there is None else done.updated).append(document["uid"])
    wanted = {document["uid"] for document in documents}
    for found in grafana.search.search_dashboards(tag=TAG, type_="dash-db", folder_uids=FOLDER_UID, limit=_MOST):
        # A Grafana that does not know a filter answers without it.
        is_ours = found.get("folderUid") == FOLDER_UID and TAG in found.get("tags", [])
        if is_ours and found["uid"] not in wanted:
            grafana.dashboard.delete_dashboard(found["uid"])
            done.deleted.append(found["uid"])
    if home:
        grafana.organization.patch_preferences(PersonalPreferences(homeDashboardUID=documents[0]["uid"]))
    return done


def _found(ask: Callable[[str], Mapping[str, Any]], uid: str) -> Mapping[str, Any] | None:
    try:
        return ask(uid)
    except GrafanaClientError as refused:
        if refused.status_code == NOT_FOUND:
            return None
        raise


def _same(there: Mapping[str, Any], document: Mapping[str, Any]) -> bool:
    stored = {name: value for name, value in there["dashboard"].items() if name not in _ADDED}
    wanted = {name: value for name, value in document.items() if name not in _ADDED}
    return stored == wanted and there["meta"].get("folderUid") == FOLDER_UID
