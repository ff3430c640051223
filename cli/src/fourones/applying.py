"""Putting a catalogue in force, as a new version unless nothing has changed."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import orjson

from fourones.client import Api, Problem
from fourones_shared.catalogue.model import Catalogue
from fourones_shared.catalogue.parsing import parse_document
from fourones_shared.errors import CatalogueRefused

_PATH = "/v1/catalogue"


@dataclass(frozen=True, slots=True)
class InForce:
    """The catalogue in force: its ETag and its document; neither where there is none yet."""

    etag: str | None
    document: dict[str, Any] | None

    @property
    def catalogue(self) -> Catalogue | None:
        """As a value.

        Raises:
            CatalogueRefused: when it does not keep this version's rules.
        """
        return None if self.document is None else parse_document(self.document)


@dataclass(frozen=True, slots=True)
class Applied:
    """What came of it: which version is in force, and whether it is new."""

    version: str
    changed: bool


def in_force(api: Api) -> InForce:
    """The catalogue that the service has in force."""
    try:
        answer = api.call("GET", _PATH)
    except Problem as problem:
        if problem.status == HTTPStatus.NOT_FOUND:
            return InForce(None, None)
        raise
    return InForce(answer.headers.get("ETag"), answer.json())


def apply(api: Api, catalogue: Catalogue) -> Applied:
    """Make the catalogue the one in force.

    Raises:
        Problem: the service refuses it, or somebody else put another one in force in between.
        Unavailable: the service does not answer.
    """
    present = in_force(api)
    if _same(present, catalogue):
        return Applied(_version(present.etag), changed=False)
    condition = {"If-None-Match": "*"} if present.etag is None else {"If-Match": present.etag}
    headers = {"Content-Type": "application/json", **condition}
    try:
        answer = api.call("PUT", _PATH, content=catalogue.document, headers=headers)
    except Problem as problem:
        if problem.status != HTTPStatus.PRECONDITION_FAILED:
            raise
        # A repeated request finds its own first attempt in force.
        present = in_force(api)
        if _same(present, catalogue):
            return Applied(_version(present.etag), changed=True)
        raise
    changed = answer.status_code == HTTPStatus.CREATED
    return Applied(_version(answer.headers.get("ETag")), changed=changed)


def _same(present: InForce, catalogue: Catalogue) -> bool:
    if present.document is None:
        return False
    if orjson.dumps(present.document, option=orjson.OPT_SORT_KEYS) == catalogue.document:
        return True
    try:
        # Written by another release, the same content may have fewer fields.
        known = present.catalogue
    except CatalogueRefused:
        return False
    return known is not None and known.digest == catalogue.digest


def _version(etag: str | None) -> str:
    return (etag or "?").removeprefix("W/").strip('"')
