"""A mail server that keeps what it takes."""

# aiosmtpd names the handlers and what they are given.
# ruff: noqa: ARG002, N802

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any, Literal

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from fourones_local.ports import free_port


class Post:
    """A mail server; `received` is what it took, in order, each with `recipients` in the order of the envelope."""

    def __init__(self, port: int, login: tuple[str, str] | None) -> None:
        self.host = "127.0.0.1"
        self.port = port
        self.received: list[EmailMessage] = []
        self.recipients: list[list[str]] = []
        # What it says of a mailbox, of the sender, or of the whole letter, instead of 250.
        self.refused: dict[str, str] = {}
        self.refuses_letters: str | None = None
        # Whether it takes the next letter and is gone before it says so.
        self.hangs_up = False
        self._login = login

    def authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, auth_data: Any
    ) -> AuthResult:
        assert isinstance(auth_data, LoginPassword)
        given = (auth_data.login.decode(), auth_data.password.decode())
        return AuthResult(success=given == self._login, handled=False)

    async def handle_MAIL(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, mail_options: list[str]
    ) -> str:
        if self._login is not None and not session.authenticated:
            return "530 5.7.0 Authentication required"
        if address in self.refused:
            return self.refused[address]
        envelope.mail_from = address
        envelope.mail_options.extend(mail_options)
        return "250 OK"

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, rcpt_options: list[str]
    ) -> str:
        if address in self.refused:
            return self.refused[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if self.refuses_letters is not None:
            return self.refuses_letters
        assert isinstance(envelope.content, bytes)
        letter = message_from_bytes(envelope.content, policy=policy.SMTP)
        assert isinstance(letter, EmailMessage)
        self.received.append(letter)
        self.recipients.append(list(envelope.rcpt_tos))
        if self.hangs_up:
            self.hangs_up = False
            assert server.transport is not None
            server.transport.close()
        return "250 OK"


class _Office(Controller):
    """Ends the connections that are open when it stops, which would be left to the garbage collector, which warns."""

    def __init__(self, post: Post, **options: Any) -> None:
        self._served: list[SMTP] = []
        super().__init__(post, **options)

    def factory(self) -> SMTP:
        served: SMTP = super().factory()
        self._served.append(served)
        return served

    def stop(self, no_assert: bool = False) -> None:
        asyncio.run_coroutine_threadsafe(self._hang_up(), self.loop).result(10)
        super().stop(no_assert)

    async def _hang_up(self) -> None:
        assert isinstance(self.server, asyncio.Server)
        for listening in self.server.sockets:
            self.loop.remove_reader(listening)
        # What was taken a moment ago gets its transport within a turn of the loop; TLS ends a turn after its content.
        await asyncio.sleep(0.01)
        while transports := [served.transport for served in self._served if served.transport is not None]:
            for transport in transports:
                assert isinstance(transport, asyncio.WriteTransport)
                transport.abort()
            await asyncio.sleep(0.01)


@contextmanager
def post_office(
    *,
    login: tuple[str, str] | None = None,
    security: Literal["none", "starttls", "tls"] = "none",
    tls: ssl.SSLContext | None = None,
) -> Iterator[Post]:
    """A mail server on loopback; with `login` it takes mail from nobody else."""
    post = Post(free_port(), login)
    options: dict[str, Any] = {}
    if login is not None:
        options |= {"authenticator": post.authenticate, "auth_require_tls": security == "starttls"}
    if security == "starttls":
        options |= {"tls_context": tls, "require_starttls": True}
    controller = _Office(
        post, hostname=post.host, port=post.port, ssl_context=tls if security == "tls" else None, **options
    )
    controller.start()
    try:
        yield post
    finally:
        controller.stop()
