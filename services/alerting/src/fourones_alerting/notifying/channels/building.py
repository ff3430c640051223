"""Makes the channels that a checked channels file names."""

from __future__ import annotations

import httpx

from fourones_alerting.notifying.channels.channel import Channel
from fourones_alerting.notifying.channels.configuration import (
    COORDINATOR,
    OPERATORS,
    AnyChannel,
    ChannelsFile,
    DingTalk,
    Email,
    Feishu,
    Smtp,
    Spared,
    Told,
    WeCom,
)
from fourones_alerting.notifying.channels.dingtalk import DingTalkRobot
from fourones_alerting.notifying.channels.directory import Directory, QuietHours, Recipient
from fourones_alerting.notifying.channels.email import Mailbox, MailServer, Security
from fourones_alerting.notifying.channels.feishu import FeishuRobot
from fourones_alerting.notifying.channels.posting import Poster
from fourones_alerting.notifying.channels.webhook import Webhook
from fourones_alerting.notifying.channels.wecom import WeComRobot

_PORTS: dict[Security, int] = {"none": 25, "starttls": 587, "tls": 465}


def build(file: ChannelsFile) -> Directory:
    """Everybody whom the file names, with their channels; nothing is connected to yet."""
    builder = _Builder(file)
    made = {name: builder.recipient(name, told) for name, _, told in file.recipients()}
    return Directory(
        departments={org: made[org] for org in file.departments},
        operators=made.get(OPERATORS, Recipient()),
        coordinator=made.get(COORDINATOR, Recipient()),
    )


class _Builder:
    def __init__(self, file: ChannelsFile) -> None:
        self._poster = Poster(file.http.proxy.get_secret_value() if file.http else None)
        self._server = _mail_server(file.smtp) if file.smtp else None

    def recipient(self, name: str, told: Told) -> Recipient:
        channels = tuple(self._channel(f"{name}/{channel.name}", channel) for channel in told.channels)
        if not isinstance(told, Spared):
            return Recipient(channels)
        quiet = told.quiet_hours
        hours = QuietHours.between(quiet.from_, quiet.until) if quiet else None
        return Recipient(channels, hours, told.digest_from)

    def _channel(self, channel_id: str, given: AnyChannel) -> Channel:
        if isinstance(given, Email):
            if self._server is None:
                raise LookupError("mail without a mail server: the file was not checked")
            return Mailbox(channel_id, given.to, self._server)
        if isinstance(given, WeCom):
            return WeComRobot(channel_id, given.address, self._poster)
        if isinstance(given, DingTalk):
            return DingTalkRobot(channel_id, given.address, given.secret.get_secret_value(), self._poster)
        if isinstance(given, Feishu):
            return FeishuRobot(channel_id, given.address, given.secret.get_secret_value(), self._poster)
        token = given.token.get_secret_value() if given.token else None
        return Webhook(channel_id, given.address, self._poster, token)


def _mail_server(given: Smtp) -> MailServer:
    return MailServer(
        host=given.host,
        port=given.port or _PORTS[given.security],
        security=given.security,
        sender=given.mailbox(),
        username=given.username,
        password=given.password.get_secret_value() if given.password else None,
        tls=None if given.security == "none" else httpx.create_ssl_context(),
    )
