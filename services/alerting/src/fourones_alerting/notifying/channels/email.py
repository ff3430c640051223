"""E-mail over SMTP (RFC 5321), marked as sent by a machine (RFC 3834)."""

from __future__ import annotations

import smtplib
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, localtime
from typing import ClassVar, Literal

import structlog

from fourones_alerting.notifying.channels.channel import ChannelKind, Pace, Undelivered
from fourones_alerting.notifying.channels.wording import lines_of, number_of, title_of
from fourones_alerting.notifying.message import Message

log = structlog.get_logger(__name__)

Security = Literal["none", "starttls", "tls"]

_REACHED_WITHIN_S = 10.0
# RFC 5321 grants a server ten minutes to take a message in (4.5.3.2.6): whoever hangs up while it still looks for
# viruses sends the message twice. Half a minute is where patience ends here.
_TAKEN_WITHIN_S = 30.0
_PARTED_WITHIN_S = 2.0


@dataclass(frozen=True, slots=True)
class MailServer:
    """The server that takes the messages in, and who they are from."""

    host: str
    port: int
    security: Security
    sender: Address
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: ssl.SSLContext | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Mailbox:
    """One or several mailboxes, which get one message together; one that does not exist keeps no other waiting."""

    id: str
    to: tuple[str, ...] = field(repr=False)
    server: MailServer = field(repr=False)

    kind: ClassVar[ChannelKind] = "email"
    pace: ClassVar[Pace] = ()

    def send(self, message: Message) -> None:
        """Hand the message to the server."""
        letter = letter_of(message, self.server.sender, self.to).as_bytes(policy=SMTP)
        with _told():
            smtp = _connected(self.server)
        try:
            with _told():
                _greet(smtp, self.server)
                self._envelope(smtp)
            _hand_over(smtp, letter)
        finally:
            # The message is in or it is not; a farewell that fails changes neither, and is not waited for.
            with suppress(smtplib.SMTPException, OSError):
                if smtp.sock is not None:
                    smtp.sock.settimeout(_PARTED_WITHIN_S)
                smtp.quit()
            smtp.close()

    def _envelope(self, smtp: smtplib.SMTP) -> None:
        """Name sender and recipients.

        A mailbox that is refused for the moment (4..) makes the whole message wait, for a second attempt at it alone
        would need a second message; one that is refused for good (5..) keeps nobody else waiting.
        """
        code, said = smtp.mail(self.server.sender.addr_spec)
        if code != 250:
            raise Undelivered(f"the mail server refused the sender: {code} {_without(self._hidden, said)}")
        taken = 0
        for place, recipient in enumerate(self.to):
            code, said = smtp.rcpt(recipient)
            if code in (250, 251):
                taken += 1
            elif 400 <= code < 500:
                raise Undelivered(f"the mail server does not take `to[{place}]` at present: {code}")
            else:
                log.warning("mailbox refused", channel=self.id, place=f"to[{place}]", code=code)
        if not taken:
            raise Undelivered(f"the mail server refused every mailbox, the last one with {code}: mend `to`")

    @property
    def _hidden(self) -> tuple[str, ...]:
        return (self.server.sender.addr_spec, *self.to)


def letter_of(message: Message, sender: Address, to: tuple[str, ...]) -> EmailMessage:
    """The message as mail; its Message-ID is the same at every attempt."""
    letter = EmailMessage(policy=SMTP)
    letter["From"] = sender
    letter["To"] = tuple(Address(addr_spec=recipient) for recipient in to)
    letter["Subject"] = title_of(message)
    letter["Date"] = format_datetime(localtime())
    letter["Message-ID"] = f"<fourones-{message.number}@{sender.domain}>"
    # Neither absence notes nor mailing lists answer this (RFC 3834).
    letter["Auto-Submitted"] = "auto-generated"
    lines = [*lines_of(message), ""]
    if message.link:
        lines.append(f"查看详情：{message.link}")
    lines.append(number_of(message))
    letter.set_content("\n".join(lines) + "\n", charset="utf-8", cte="base64")
    return letter


def _connected(server: MailServer) -> smtplib.SMTP:
    # The machine's plain name: finding its full one may ask a name server that is not there.
    name = socket.gethostname()
    if server.security == "tls":
        return smtplib.SMTP_SSL(
            server.host, server.port, local_hostname=name, timeout=_REACHED_WITHIN_S, context=server.tls
        )
    return smtplib.SMTP(server.host, server.port, local_hostname=name, timeout=_REACHED_WITHIN_S)


def _greet(smtp: smtplib.SMTP, server: MailServer) -> None:
    smtp.ehlo_or_helo_if_needed()
    if server.security == "starttls":
        if not smtp.has_extn("starttls"):
            raise Undelivered("the mail server offers no STARTTLS: use `security: tls`, or mend the server")
        smtp.starttls(context=server.tls)
        smtp.ehlo_or_helo_if_needed()
    if server.username is not None:
        smtp.login(server.username, server.password or "")


def _hand_over(smtp: smtplib.SMTP, letter: bytes) -> None:
    if smtp.sock is not None:
        smtp.sock.settimeout(_TAKEN_WITHIN_S)
    began = time.monotonic()
    try:
        code, _ = smtp.data(letter)
    except smtplib.SMTPDataError as error:
        code = error.smtp_code
    except (smtplib.SMTPException, OSError) as error:
        raise Undelivered(
            f"the mail server did not say within {time.monotonic() - began:.0f} s whether it took the message: "
            f"{type(error).__name__}"
        ) from None
    if code != 250:
        raise Undelivered(f"the mail server refused the message: {code}", retry=code < 500)


@contextmanager
def _told() -> Iterator[None]:
    """Turn what goes wrong before the message is handed over into `Undelivered`, without anything secret."""
    try:
        yield
    except smtplib.SMTPAuthenticationError as error:
        raise Undelivered(f"the mail server refused user name or password: {error.smtp_code}") from None
    except smtplib.SMTPResponseException as error:
        raise Undelivered(f"the mail server refused: {error.smtp_code}") from None
    except ssl.SSLCertVerificationError as error:
        raise Undelivered(f"the mail server's certificate is not trusted: {error.verify_message}") from None
    except (smtplib.SMTPException, OSError) as error:
        raise Undelivered(f"the mail server cannot be spoken to: {type(error).__name__}") from None


def _without(hidden: tuple[str, ...], said: bytes) -> str:
    text = said.decode("utf-8", "replace")
    for address in hidden:
        text = text.replace(address, "…")
    return text[:200]
