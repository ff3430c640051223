from hypothesis import given
from hypothesis import strategies as st

from fourones_alerting.notifying.channels import dingtalk, feishu, wecom
from fourones_alerting.notifying.channels.posting import json_size
from fourones_alerting.notifying.channels.wording import fitting, markdown_link, title_of, unmarked, utf8
from fourones_alerting.notifying.message import Message

LINK = "https://fourones.example.org/v1/assessments/scale-2025"
HEAD_AND_FOOT = ("目标亮红灯", "编号：8841", LINK)
A_COUNTY = "贾汪区已报 12.3 亿元，比序时进度少 4.5 亿元；上年同期占全市 8.1%"

texts = st.text(max_size=12_000)


def a_message(text: str = A_COUNTY, title: str = "目标亮红灯", link: str | None = LINK) -> Message:
    return Message(8841, title, text, "red", link)


def bodies(message: Message) -> dict[str, bytes]:
    return {
        "wecom": wecom.markdown(message).encode(),
        "dingtalk": dingtalk.body(message),
        "feishu": feishu.body(message, {"timestamp": "1756800000", "sign": "s" * 44}),
    }


@given(texts, st.text(max_size=500), st.none() | st.just(LINK))
def test_no_message_is_longer_than_its_robot_takes(text: str, title: str, link: str | None) -> None:
    made = bodies(a_message(text, title, link))
    assert len(made["wecom"]) <= 4096
    assert len(made["dingtalk"]) <= 20_000
    assert len(made["feishu"]) <= 20_000


def test_a_short_message_is_whole() -> None:
    for body in bodies(a_message()).values():
        assert A_COUNTY in body.decode()
        assert "从略" not in body.decode()


def test_a_long_message_is_cut_between_lines_says_so_and_keeps_title_number_and_link() -> None:
    lines = [f"{place}. {A_COUNTY}" for place in range(1000)]
    for body in bodies(a_message("\n".join(lines))).values():
        text = body.decode()
        assert all(part in text for part in HEAD_AND_FOOT)
        assert "（内容过长，其余从略，请点开链接查看全文）" in text
        kept = sum(line in text for line in lines)
        assert 20 < kept < 1000
        # The line behind the last whole one is not there at all, not even begun.
        assert f"{kept}. 贾汪区" not in text


def test_a_line_that_alone_is_too_long_is_cut_within() -> None:
    for body in bodies(a_message("数" * 10_000, link=None)).values():
        text = body.decode()
        assert text.count("数") > 1000
        assert "（内容过长，其余从略）" in text


def test_as_much_as_fits_is_kept() -> None:
    # The next line would not fit: no robot's room is given away.
    lines = ["一" * 30] * 1000
    body = dingtalk.body(a_message("\n".join(lines)))
    assert 20_000 - len(body) < json_size(lines[0]) + 4
    text = wecom.markdown(a_message("\n".join(lines)))
    assert 4096 - utf8(text) < utf8(lines[0]) + 1


@given(st.lists(st.text(alphabet="数a\n", max_size=60), max_size=30), st.integers(100, 900))
def test_what_is_kept_is_a_beginning_of_the_text(lines: list[str], room: int) -> None:
    kept = fitting(lines, room, utf8, has_link=True)
    assert sum(map(utf8, kept)) <= room
    if kept != lines:
        assert "从略" in kept[-1]
        assert "".join(lines).startswith("".join(kept[:-1]))


def test_nothing_in_a_text_becomes_a_mention_or_a_link() -> None:
    message = a_message(
        '<@all> [点此领奖](https://evil.example) <at user_id="all">所有人</at> `x` **粗** # 题', "a<b>[c]"
    )
    for kind in ("wecom", "dingtalk"):
        text = bodies(message)[kind].decode()
        assert "<@" not in text
        assert "<at" not in text
        assert "](https://evil" not in text
        assert "](https://fourones" in text


def test_markup_is_shown_as_its_full_width_twin() -> None:
    assert unmarked("a<b>[c]*`#") == "a＜b＞［c］＊｀＃"


def test_an_address_cannot_end_its_link() -> None:
    assert markdown_link("查看", "https://x.example/a (b)") == "[查看](https://x.example/a%20%28b%29)"


def test_a_title_is_one_line_of_bounded_length() -> None:
    assert title_of(a_message(title="一\r\nBcc: x@example.org\n二")) == "一 Bcc: x@example.org 二"
    assert len(title_of(a_message(title="长" * 400))) == 150


def test_control_characters_are_left_out_and_ideographic_spaces_kept() -> None:
    text = wecom.markdown(a_message("甲\x00\x1b[31m乙\u3000丙\ud800"))
    assert "甲［31m乙\u3000丙\n" in text


def test_a_red_message_and_a_recovered_one_have_their_colours() -> None:
    assert 'color="warning"' in wecom.markdown(a_message())
    assert 'color="info"' in wecom.markdown(Message(1, "恢复", "已恢复", "recovered"))
