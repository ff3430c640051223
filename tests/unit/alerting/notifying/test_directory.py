from datetime import UTC, datetime

import pytest

from fourones_alerting.notifying.channels import Directory, QuietHours, Recipient
from fourones_alerting.notifying.channels.posting import Poster
from fourones_alerting.notifying.channels.webhook import Webhook
from fourones_shared.domain.clock import SHANGHAI

NIGHT = QuietHours.between("22:00", "07:30")
NOON = QuietHours.between("12:00", "14:00")


def at(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 6, day, hour, minute, tzinfo=SHANGHAI)


@pytest.mark.parametrize(
    ("hours", "moment", "over"),
    [
        (NIGHT, at(1, 21, 59), None),
        (NIGHT, at(1, 22), at(2, 7, 30)),
        (NIGHT, at(1, 23, 59), at(2, 7, 30)),
        (NIGHT, at(2, 0), at(2, 7, 30)),
        (NIGHT, at(2, 7, 29), at(2, 7, 30)),
        (NIGHT, at(2, 7, 30), None),
        (NIGHT, at(30, 22), datetime(2026, 7, 1, 7, 30, tzinfo=SHANGHAI)),
        (NOON, at(1, 11, 59), None),
        (NOON, at(1, 12), at(1, 14)),
        (NOON, at(1, 14), None),
    ],
)
def test_quiet_hours_are_over_in_the_morning(hours: QuietHours, moment: datetime, over: datetime | None) -> None:
    assert hours.over_at(moment) == over


def test_quiet_hours_are_by_the_clock_in_shanghai() -> None:
    # 15:00 in Greenwich is 23:00 in Xuzhou.
    assert NIGHT.over_at(datetime(2026, 6, 1, 15, tzinfo=UTC)) == at(2, 7, 30)
    assert NIGHT.over_at(datetime(2026, 6, 1, 23, tzinfo=UTC)) == at(2, 7, 30)
    assert NIGHT.over_at(datetime(2026, 6, 1, 23, 30, tzinfo=UTC)) is None


def test_channels_are_found_by_their_id_and_whoever_is_not_named_has_none() -> None:
    poster = Poster()
    hook = Webhook("gxj/system", "https://gxj.example/notices", poster)
    pager = Webhook("operators/pager", "https://ops.example", poster)
    department = Recipient((hook,), NIGHT, 4)
    directory = Directory({"gxj": department}, operators=Recipient((pager,)))
    assert list(directory.channels()) == [hook, pager]
    assert directory.channel("gxj/system") is hook
    assert directory.channel("gxj/mail") is None
    assert directory.recipient_of("gxj/system") is department
    assert directory.department("fgw").channels == ()
    assert directory.coordinator.channels == ()
