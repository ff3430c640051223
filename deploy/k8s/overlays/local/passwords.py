"""Makes the passwords of this namespace, each once: a Secret that exists is left as it is.

Nothing that anybody could know beforehand is ever a password here, and none is ever printed.
"""

import base64
import json
import secrets
import ssl
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
API = "https://kubernetes.default.svc"
GIVE_UP_S = 120

# Secret: its fields; None is what is to be made. The token is first: the alerting API reads it once and would start
# without it, but waits for its database's password.
WANTED: dict[str, dict[str, str | None]] = {
    "alerting-alertmanager": {"token": None},
    "postgres": {"username": "postgres", "password": None},
    "submission-postgres-app": {"username": "submission", "password": None},
    "aggregation-postgres-app": {"username": "aggregation", "password": None},
    "alerting-postgres-app": {"username": "alerting", "password": None},
    "boards-postgres": {"username": "fourones_boards", "password": None},
}


def main(account: Path = ACCOUNT, api: str = API) -> None:
    """Create what is missing."""
    namespace = (account / "namespace").read_text().strip()
    for name, fields in WANTED.items():
        made = create(account, f"{api}/api/v1/namespaces/{namespace}/secrets", name, fields)
        sys.stdout.write(f"{name}: {'made' if made else 'is there'}\n")


def create(account: Path, url: str, name: str, fields: dict[str, str | None]) -> bool:
    """Whether it was made just now; False when it was there."""
    values = {field: value if value is not None else secrets.token_urlsafe(32) for field, value in fields.items()}
    body = {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "metadata": {"name": name, "labels": {"app.kubernetes.io/managed-by": "fourones-passwords"}},
        "data": {field: base64.b64encode(value.encode()).decode() for field, value in values.items()},
    }
    deadline = time.monotonic() + GIVE_UP_S
    while True:
        request = urllib.request.Request(  # noqa: S310 - the address is the cluster's own
            url,
            data=json.dumps(body).encode(),
            headers={
                "Authorization": f"Bearer {(account / 'token').read_text().strip()}",
                "Content-Type": "application/json",
            },
        )
        trusted = ssl.create_default_context(cafile=str(account / "ca.crt"))
        try:
            with urllib.request.urlopen(request, context=trusted, timeout=10):  # noqa: S310
                return True
        except urllib.error.HTTPError as refused:
            if refused.code == 409:
                return False
            raise
        except OSError:
            # The network of a new pod may come a moment after it.
            if time.monotonic() > deadline:
                raise
            time.sleep(2)


if __name__ == "__main__":
    main()
