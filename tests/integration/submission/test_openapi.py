"""What OpenAPI says is what the service does: schemathesis plays a client that takes the description at its word."""

import subprocess
import sys
from pathlib import Path

import pytest
from integration.submission.service import Service

HERE = Path(__file__).parent


# A county's key gets as far as the figures, an administrator's into the catalogue.
@pytest.mark.parametrize("key", ["admin", "county"])
def test_no_request_gets_a_server_error_or_an_undocumented_answer(service: Service, tmp_path: Path, key: str) -> None:
    command = [
        str(Path(sys.executable).parent / "schemathesis"),
        *("--config-file", str(HERE / "schemathesis.toml")),
        *("run", f"{service.url}/openapi.json"),
        *("--header", f"Authorization: Bearer {getattr(service, key)}"),
        *("--seed", "1", "--max-examples", "50", "--no-color"),
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=280)
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2_000:]
