"""What may stand in the channels file, part by part. What the parts must agree on is `file`'s."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from email.headerregistry import Address
from email.utils import parseaddr
from ipaddress import ip_address
from typing import Annotated, Any, Literal, Self

import httpx
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, StringConstraints, model_validator

from fourones_alerting.notifying.channels.email import Security

OPERATORS = "operators"
COORDINATOR = "coordinator"

_HOST = re.compile(r"[\w.:-]+")
_HEADER_VALUE = re.compile(r"[!-~]+")


class _Part(BaseModel):
    # Pydantic quotes what it refuses, and that may be a secret.
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, str_strip_whitespace=True)


_Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
_Filled = Annotated[str, StringConstraints(min_length=1)]
_Secret = Annotated[SecretStr, Field(min_length=1)]


def _some(given: tuple[Any, ...]) -> tuple[Any, ...]:
    if not given:
        raise ValueError("names nobody: give at least one, or leave it out")
    return given


_Moment = Annotated[str, StringConstraints(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]


class Smtp(_Part):
    """The mail server."""

    host: _Filled
    security: Security
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    sender: _Filled
    username: _Filled | None = None
    password: _Secret | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        self.mailbox()
        if (self.username is None) != (self.password is None):
            raise ValueError("give both `username` and `password` (or `password_file`), or neither")
        if self.password and not f"{self.username}{self.password.get_secret_value()}".isascii():
            raise ValueError("`username` and `password` must be ASCII: not every mail server knows another encoding")
        if self.username and self.security == "none" and not _is_loopback(self.host):
            raise ValueError("the password would cross the network readable: use `security: starttls` or `tls`")
        return self

    def mailbox(self) -> Address:
        """The sender."""
        mailbox = _mailbox(self.sender)
        if mailbox is None:
            raise ValueError("`sender` is no mail address: write `name@domain` or `名称 <name@domain>`, in ASCII")
        return mailbox


class Email(_Part):
    """Mailboxes that get one message together."""

    name: _Name
    kind: Literal["email"]
    to: Annotated[tuple[_Filled, ...], AfterValidator(_some)]

    @model_validator(mode="after")
    def _check(self) -> Self:
        for place, recipient in enumerate(self.to):
            mailbox = _mailbox(recipient)
            if mailbox is None or mailbox.addr_spec != recipient:
                raise ValueError(f"`to[{place}]` is no mail address: write `name@domain`, in ASCII")
        if len(set(self.to)) < len(self.to):
            raise ValueError("`to` names a mailbox twice")
        return self


class _Posted(_Part):
    name: _Name
    url: _Secret

    @property
    def address(self) -> str:
        """The whole address, which is a secret."""
        return self.url.get_secret_value()


class WeCom(_Posted):
    """A robot of a WeCom group."""

    kind: Literal["wecom"]

    @model_validator(mode="after")
    def _check(self) -> Self:
        _check_robot(self.address, key="key")
        return self


class DingTalk(_Posted):
    """A signed robot of a DingTalk group."""

    kind: Literal["dingtalk"]
    secret: _Secret

    @model_validator(mode="after")
    def _check(self) -> Self:
        _check_robot(self.address, key="access_token")
        return self


class Feishu(_Posted):
    """A signed robot of a Feishu group."""

    kind: Literal["feishu"]
    secret: _Secret

    @model_validator(mode="after")
    def _check(self) -> Self:
        _check_robot(self.address)
        return self


class Hook(_Posted):
    """Any system that takes JSON."""

    kind: Literal["webhook"]
    token: _Secret | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        _parsed(self.address, "url")
        if self.token and not _HEADER_VALUE.fullmatch(self.token.get_secret_value()):
            raise ValueError("`token` must be ASCII without blanks")
        return self


AnyChannel = Annotated[Email | WeCom | DingTalk | Feishu | Hook, Field(discriminator="kind")]


class Quiet(_Part):
    """Quiet hours."""

    from_: _Moment = Field(alias="from")
    until: _Moment

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.from_ == self.until:
            raise ValueError("quiet hours that end when they begin: leave them out, or give two moments")
        return self


class Told(_Part):
    """Who is told at any hour and one by one: the operators."""

    channels: Annotated[tuple[AnyChannel, ...], AfterValidator(_some)]


class Spared(Told):
    """Who may be spared at night, and from a flood: departments and the coordinating office."""

    quiet_hours: Quiet | None = None
    # One notice is no digest.
    digest_from: Annotated[int, Field(ge=2)] | None = None


class Http(_Part):
    """How to the robots from a network that ends at a proxy."""

    proxy: _Secret

    @model_validator(mode="after")
    def _check(self) -> Self:
        _parsed(self.proxy.get_secret_value(), "proxy")
        return self


class ChannelsFile(_Part):
    """The whole file."""

    smtp: Smtp | None = None
    http: Http | None = None
    departments: Mapping[_Name, Spared] = Field(default_factory=dict)
    coordinator: Spared | None = None
    operators: Told | None = None

    def recipients(self) -> Iterator[tuple[str, str, Told]]:
        """Each with its name, and where it stands as a JSON pointer."""
        for org, department in self.departments.items():
            yield org, f"/departments/{org}", department
        if self.coordinator:
            yield COORDINATOR, f"/{COORDINATOR}", self.coordinator
        if self.operators:
            yield OPERATORS, f"/{OPERATORS}", self.operators


def _mailbox(text: str) -> Address | None:
    name, address = parseaddr(text if text.isprintable() else "")
    user, _, domain = address.rpartition("@")
    if not user or not domain or not address.isascii() or any(sign.isspace() for sign in address):
        return None
    try:
        return Address(display_name=name, addr_spec=address)
    except (ValueError, IndexError):
        return None


def _check_robot(address: str, key: str | None = None) -> None:
    parsed = _parsed(address, "url")
    if parsed.scheme != "https" and not _is_loopback(parsed.host):
        raise ValueError("the robot's key would cross the network readable: its address begins with https://")
    if key and not parsed.params.get(key):
        raise ValueError(f"`url` has no `{key}=…`: copy the robot's whole address")


def _parsed(address: str, name: str) -> httpx.URL:
    try:
        parsed = httpx.URL(address)
    except httpx.InvalidURL:
        parsed = httpx.URL()
    if parsed.scheme not in ("http", "https") or not _HOST.fullmatch(parsed.host):
        raise ValueError(f"`{name}` is no http(s) address")
    return parsed


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
