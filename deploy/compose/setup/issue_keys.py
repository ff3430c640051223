"""Issues API keys into a file, unless it has them: `issue_keys.py admin FILE`, `issue_keys.py everybody FILE`.

Runs in the submission service's image. The file is the demonstration's: a JSON object with a key per role and per
organisation, readable by its owner only.
"""

import json
import subprocess
import sys
from pathlib import Path

# What is asked of the service's own command, and the name whose presence says that it was done.
_ISSUE = {
    "admin": (["keys", "issue", "--role", "admin", "--label", "compose", "--json"], "admin"),
    "everybody": (["keys", "demo", "--json"], "viewer"),
}


def main(who: str, file: Path) -> None:
    """Issue the keys of `who` and add them to `file`."""
    arguments, proof = _ISSUE[who]
    keys: dict[str, str] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    if proof in keys:
        return
    done = subprocess.run(  # noqa: S603
        ["fourones-submission", *arguments],  # noqa: S607 - of the image's own path
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    issued = json.loads(done.stdout)
    keys |= {"admin": issued["key"]} if who == "admin" else issued
    draft = file.with_suffix(".new")
    draft.touch(mode=0o600)
    draft.write_text(json.dumps(keys, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    draft.replace(file)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
