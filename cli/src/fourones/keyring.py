"""Whose key a request bears: one for everything, or a file that maps organisations (and roles) to keys."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fourones.errors import Misused


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys at hand.

    Attributes:
        only: the one key, used for everyone.
        by_holder: keys by organisation or role.
    """

    only: str | None = None
    by_holder: Mapping[str, str] = field(default_factory=dict)

    @staticmethod
    def of(key: str | None, file: Path | None) -> Keys:
        """From the options `--key` and `--keys`.

        Raises:
            Misused: when neither or both are given, or the file has no keys.
        """
        if (key is None) == (file is None):
            raise Misused("请给出 --key 或 --keys 之一 / give one of --key and --keys")
        return Keys(only=key) if file is None else Keys(by_holder=_read(file))

    def key_of(self, *holders: str | None) -> str:
        """The key of the first of these that has one.

        Raises:
            Misused: when none of them has.
        """
        if self.only is not None:
            return self.only
        for holder in holders:
            if holder is not None and holder in self.by_holder:
                return self.by_holder[holder]
        names = " / ".join(holder for holder in holders if holder) or "?"
        raise Misused(f"密钥文件中没有 {names} 的密钥 / there is no key of {names} in the file")


def _read(file: Path) -> Mapping[str, str]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Misused(f"{file}: {error}") from error
    # `.local/endpoints.json` keeps them one level down.
    if isinstance(content, dict) and isinstance(content.get("keys"), dict):
        content = content["keys"]
    if not isinstance(content, dict):
        raise Misused(f"{file}: 应为单位到密钥的 JSON 对象 / a JSON object of keys by organisation is expected")
    return {str(holder): key for holder, key in content.items() if isinstance(key, str)}
