"""What several commands have in common on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from fourones.keyring import Keys

# Half a minute is what a restarting worker takes to catch up.
DEFAULT_WAIT_S = 60.0
_WAITS = frozenset({"--wait", "--watch"})

Url = Annotated[str, typer.Option(envvar="FOURONES_URL", help="报送服务地址")]
Key = Annotated[str | None, typer.Option(envvar="FOURONES_KEY", help="密钥", show_default=False)]
KeysFile = Annotated[Path | None, typer.Option("--keys", help="单位到密钥的 JSON 文件", dir_okay=False)]
AsJson = Annotated[bool, typer.Option("--json", help="输出 JSON,供脚本使用")]

DEFAULT_URL = "http://127.0.0.1:8001"


class WithBareWait(TyperCommand):
    """Lets `--wait` (or `--watch`) stand without a number."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Give a bare `--wait` its default."""
        spelt = list(args)
        for place, argument in enumerate(args):
            following = args[place + 1] if place + 1 < len(args) else ""
            if argument in _WAITS and not _is_number(following):
                spelt[place] = f"{argument}={DEFAULT_WAIT_S:g}"
        return super().parse_args(ctx, spelt)


def keys_of(key: str | None, file: Path | None) -> Keys:
    """The keys that the options give; `--keys` wins over the environment's key.

    Raises:
        Misused: neither is given, or the file has no keys.
    """
    return Keys.of(None if file is not None else key, file)


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).isdecimal()
