"""The words of digests and links, and since when nobody has asked for quiet."""

from datetime import UTC, datetime, time

import pytest
from unit.alerting.builders import SMES_TARGET, a_catalogue

from fourones_alerting.notifying.channels import QuietHours
from fourones_alerting.notifying.gauges import last_over
from fourones_alerting.notifying.messages import DIGEST_BYTES, Wording, digest, fits_a_digest


def a_part(number: int, title: str = "红灯：产业规模", level: str = "red") -> dict[str, object]:
    return {"number": number, "title": title, "text": "第一句\n第二句", "level": level}


def test_a_digest_names_each_part_by_number_title_and_first_sentence() -> None:
    title, text = digest([a_part(7), a_part(8, "已转为绿灯：企业数", "recovered")])
    assert title == "2条提醒，其中红灯1条"
    assert text == "【7】红灯：产业规模。第一句\n【8】已转为绿灯：企业数。第一句"


def test_a_digest_without_red_does_not_speak_of_red() -> None:
    assert digest([a_part(1, level="info"), a_part(2, level="info")])[0] == "2条提醒"


@pytest.mark.parametrize("length", [1, 10, 100, 400])
def test_as_many_parts_go_into_a_digest_as_the_smallest_channel_takes(length: int) -> None:
    parts = [a_part(number, "长" * length) for number in range(500)]
    count = fits_a_digest(parts)
    assert len(digest(parts[:count])[1].encode()) <= DIGEST_BYTES
    assert len(digest(parts[: count + 1])[1].encode()) > DIGEST_BYTES


def test_two_that_are_too_long_are_a_digest_all_the_same() -> None:
    # The channel cuts what it cannot take; a digest of one would be none.
    assert fits_a_digest([a_part(number, "长" * 2_000) for number in range(3)]) == 2


@pytest.mark.parametrize(
    ("base", "link"),
    [
        ("https://fourones.example/v1/assessments/", f"https://fourones.example/v1/assessments/{SMES_TARGET}"),
        ("https://board.example/d/x?var-t={target}&kiosk", f"https://board.example/d/x?var-t={SMES_TARGET}&kiosk"),
        ("", None),
    ],
)
def test_a_link_leads_to_the_target(base: str, link: str | None) -> None:
    assert Wording(a_catalogue(), base, "").link(SMES_TARGET) == link


def test_the_time_in_quiet_hours_is_no_waiting() -> None:
    night = QuietHours(time(22), time(7, 30))
    eleven = datetime(2026, 5, 20, 15, tzinfo=UTC)
    assert last_over(night, eleven) == eleven
    assert last_over(night, datetime(2026, 5, 21, 0, tzinfo=UTC)) == datetime(2026, 5, 20, 23, 30, tzinfo=UTC)
    # A minute before they begin, they have been over since the morning.
    assert last_over(night, datetime(2026, 5, 21, 13, 59, tzinfo=UTC)) == datetime(2026, 5, 20, 23, 30, tzinfo=UTC)
