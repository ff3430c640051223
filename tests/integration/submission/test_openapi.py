"""What OpenAPI says is what the service does: schemathesis plays a client that takes the description at its word."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from integration.submission.service import Service, a_body, a_service
from support.stack import NewDatabase
from unit.submission.builders import NOW

from fourones_local.layout import Repository
from fourones_shared.catalogue.files import load
from fourones_shared.domain.clock import FixedClock

HERE = Path(__file__).parent


# A county's key gets as far as the figures, an administrator's into the catalogue.
@pytest.mark.parametrize("key", ["admin", "county"])
def test_no_request_gets_a_server_error_or_an_undocumented_answer(service: Service, tmp_path: Path, key: str) -> None:
    command = [
        str(Path(sys.executable).parent / "schemathesis"),
        *("--config-file", str(HERE / "schemathesis.toml")),
        *("run", f"{service.url}/openapi.json"),
        *("--header", f"Authorization: Bearer {getattr(service, key)}"),
        # The examples are posted below: schemathesis sends none of a media type that has a strategy of its own.
        *("--phases", "coverage,fuzzing,stateful"),
        *("--seed", "1", "--max-examples", "50", "--no-color"),
    ]
    hooks = {"SCHEMATHESIS_HOOKS": str(HERE / "schemathesis_hooks.py")}
    done = subprocess.run(
        command, cwd=tmp_path, env=os.environ | hooks, capture_output=True, text=True, check=False, timeout=280
    )
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2_000:]


def test_every_example_of_a_submission_is_accepted_under_the_delivered_catalogue(new_database: NewDatabase) -> None:
    with new_database() as url, a_service(url, clock=FixedClock(NOW)) as service:
        assert service.put_catalogue(load(Repository.here().root / "catalogue"), If_None_Match="*").status_code == 201
        described = service.get("/openapi.json").json()["paths"]["/v1/submissions"]["post"]["requestBody"]["content"]
        examples = [
            (media_type, example["value"] if isinstance(example["value"], str) else json.dumps(example["value"]))
            for media_type, content in described.items()
            for example in content.get("examples", {}).values()
        ]
        assert {media_type for media_type, _ in examples} == {
            "application/json",
            "application/vnd.sdmx.data+csv",
            "text/csv",
        }
        for period in ("2025-10", "2025-11"):
            # What an example withdraws must be there.
            assert service.post(a_body(period=period, cluster="construction-machinery")).status_code == 202
        for media_type, body in examples:
            answer = service.send(body.encode(), Content_Type=media_type)
            assert answer.status_code == 202, f"{media_type}: {body}\n{answer.text}"
            for period in ("2025-10", "2025-11"):
                assert service.post(a_body(period=period, cluster="construction-machinery")).status_code == 202
