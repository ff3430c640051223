"""What OpenAPI says is what the service does: schemathesis plays a client that takes the description at its word."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from integration.aggregation.keeping import Aggregation, a_figure, a_submission
from integration.aggregation.kinds import a_catalogue_of_kinds
from integration.aggregation.serving import an_api

# What may be expected of a request that fits the schema is the same for every service.
CONFIGURATION = Path(__file__).parents[1] / "submission" / "schemathesis.toml"


def test_no_request_gets_a_server_error_or_an_undocumented_answer(empty: Aggregation, tmp_path: Path) -> None:
    empty.put(a_catalogue_of_kinds())
    empty.apply(a_submission(a_figure("10")))
    with an_api(empty.url, clock=empty.clock) as client:
        command = [
            str(Path(sys.executable).parent / "schemathesis"),
            *("--config-file", str(CONFIGURATION)),
            *("run", f"{client.address}/openapi.json"),
            *("--header", f"Authorization: {client._http.headers['Authorization']}"),
            *("--phases", "examples,coverage,fuzzing"),
            *("--seed", "1", "--max-examples", "50", "--no-color"),
        ]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=280)
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2_000:]
