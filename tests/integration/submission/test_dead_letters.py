"""What aggregation said and could not be read: repaired, it completes the receipt."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
from integration.submission.service import Service, a_body
from unit.submission.builders import COUNTY, NOW

from fourones_shared.dead_letters.keeping import Keeper, Refused
from fourones_shared.errors import DeadLetter
from fourones_shared.events.envelope import wrap
from fourones_shared.events.model import FiguresApplied


def set_aside(service: Service, submission_id: str, *, broken: str) -> None:
    """Aggregation's word about a submission, with an id that is none."""
    data = FiguresApplied(
        submission_id=submission_id, org=COUNTY, sequence=1, applied_at=NOW, applied=1, superseded=0, excluded=0
    )
    wire = wrap(data, event_id=f"{submission_id}-applied", source="/fourones/aggregation", time=NOW)
    value = wire.value.replace(submission_id.encode(), broken.encode())
    refusal = DeadLetter("bad_data", f"'{broken}' is no submission's id")
    refused = Refused("figures-applied", 0, 0, wire.key, value, wire.headers, refusal)
    with service.engine.begin() as connection:
        Keeper("submission-receipts", 100).keep(connection, [refused])


def deadletters(service: Service, *arguments: object, given: bytes = b"") -> str:
    done = subprocess.run(
        [sys.executable, "-m", "fourones_submission", "deadletters", *map(str, arguments)],
        env=os.environ | {"FOURONES_DATABASE_URL": service.database_url},
        input=given,
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.decode()


def receipt(service: Service, submission_id: str) -> dict[str, Any]:
    return dict(service.get(f"/v1/submissions/{submission_id}").json())


def test_a_repaired_word_completes_the_receipt(service: Service, tmp_path: Path):
    submission = service.post(a_body()).json()["submission_id"]
    set_aside(service, submission, broken="nonsense")
    (letter,) = json.loads(deadletters(service, "list", "--json"))["items"]
    assert (letter["topic"], letter["reason"], letter["group"]) == (
        "figures-applied",
        "bad_data",
        "submission-receipts",
    )

    value = orjson.loads(deadletters(service, "show", letter["id"], "--value"))
    mended = orjson.dumps(value | {"submission_id": submission})
    told = deadletters(service, "repair", letter["id"], "--value", "-", "--reason", "by the event's id", given=mended)

    assert f'/submission_id: "nonsense" becomes "{submission}"' in told
    assert told.endswith(f"{letter['id']} replayed\n")
    assert receipt(service, submission)["status"] == "applied"
    assert "was replayed before" in deadletters(service, "replay", letter["id"])
