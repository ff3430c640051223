"""Fills a running stack: keys, the catalogue, the real figures; and shows where the targets stand."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fourones_local import commands
from fourones_local.errors import CommandFailed
from fourones_local.files import read_json, write_private_json
from fourones_local.layout import Repository, State

_ADMIN = "admin"


@dataclass(frozen=True)
class Seed:
    """Everything that is done to a stack once its services run. Each step may be repeated.

    Attributes:
        repository: has the catalogue and the reported figures.
        state: keeps the keys.
        submission_url: of the submission API.
        alerting_url: of the alerting API.
        operator_settings: the environment of the submission service, for its operators' command.
    """

    repository: Repository
    state: State
    submission_url: str
    alerting_url: str
    operator_settings: Mapping[str, str]

    @property
    def keys(self) -> dict[str, str]:
        """The demonstration keys by role and organisation; empty before they are issued."""
        return read_json(self.state.keys)

    def ensure_admin_key(self) -> None:
        """Issues the administrator's key, unless an earlier start did."""
        if _ADMIN in self.keys:
            return
        issued = self._issue("issue", "--role", _ADMIN, "--json")
        write_private_json(self.state.keys, {_ADMIN: issued["key"]})

    def apply_catalogue(self) -> None:
        """Makes the catalogue of this checkout the one in force, unless that was done.

        What was added since, such as the demonstration's plans, stays.
        """
        fingerprint = catalogue_fingerprint(self.repository.catalogue)
        if self._done("catalogue", fingerprint):
            return
        self._fourones(
            *("catalogue", "apply", str(self.repository.catalogue)),
            *("--url", self.submission_url, "--key", self.keys[_ADMIN]),
        )
        self._note("catalogue", fingerprint)

    def ensure_demonstration_keys(self) -> None:
        """Issues a key per role and organisation, unless there are some for the organisations of this catalogue."""
        fingerprint = catalogue_fingerprint(self.repository.catalogue)
        if self._done("keys_for", fingerprint):
            return
        write_private_json(self.state.keys, self.keys | self._issue("demo", "--json"))
        self._note("keys_for", fingerprint)

    def submit_reported(self) -> str:
        """Posts the real figures and waits until they are judged; what was posted before is skipped.

        Returns:
            What the command says about it.
        """
        return self._fourones(
            *("submit", str(self.repository.reported), "--keys", str(self.state.keys)),
            *("--url", self.submission_url, "--journal", str(self.state.submitted), "--wait"),
        )

    def simulate(self) -> str:
        """Adds the synthetic plans with their figures.

        Returns:
            What the command says about it.
        """
        return self._fourones(
            *("simulate", "demo", "--url", self.submission_url, "--keys", str(self.state.keys)),
            *("--catalogue", str(self.repository.catalogue), "--wait"),
        )

    def targets(self) -> str:
        """The table of the targets, as text."""
        return self._fourones(
            *("targets", "--url", self.alerting_url, "--submission", self.submission_url),
            *("--key", self.keys["viewer"]),
        )

    def _done(self, step: str, fingerprint: str) -> bool:
        return read_json(self.state.seeded).get(step) == fingerprint

    def _note(self, step: str, fingerprint: str) -> None:
        write_private_json(self.state.seeded, read_json(self.state.seeded) | {step: fingerprint})

    def _fourones(self, *arguments: str) -> str:
        return commands.run(["fourones", *arguments])

    def _issue(self, *arguments: str) -> dict[str, str]:
        command = ["fourones-submission", "keys", *arguments]
        printed = commands.run(command, self.operator_settings)
        try:
            issued: dict[str, str] = json.loads(printed)
        except ValueError:
            raise CommandFailed(commands.shown(command), 0, "it did not print JSON") from None
        return issued


def catalogue_fingerprint(catalogue: Path) -> str:
    """Changes whenever a file of the catalogue does."""
    digest = hashlib.sha256()
    for file in sorted(catalogue.rglob("*.y*ml")):
        digest.update(str(file.relative_to(catalogue)).encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()
