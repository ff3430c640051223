"""What a message looks like where it is read: plain lines, Markdown that holds no markup of its own, cut to fit."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fourones_alerting.notifying.message import Message

# A title is a subject line or a notification's first line; whatever is longer is no title.
_LONGEST_TITLE = 150
# The line feed, and the ideographic space, which Python does not call printable.
_KEPT = "\n\u3000"
# The robots know no escape. A name from the catalogue or a clerk's note must neither mention a whole group (`<@all>`)
# nor hide an address behind words, so that the signs that could are shown as their full-width twins.
_FULL_WIDTH = str.maketrans({"<": "＜", ">": "＞", "[": "［", "]": "］", "`": "｀", "*": "＊", "#": "＃"})


def title_of(message: Message) -> str:
    """The title as one line of at most 150 characters."""
    title = " ".join(printable(message.title).split())
    return title if len(title) <= _LONGEST_TITLE else title[: _LONGEST_TITLE - 1] + "…"


def lines_of(message: Message) -> list[str]:
    """The text's lines, without blank ones at the end."""
    return printable(message.text).rstrip().split("\n")


def number_of(message: Message) -> str:
    """The line that shows the message's number."""
    return f"编号：{message.number}"


def printable(text: str) -> str:
    """The text without control characters but the line feed."""
    return "".join(
        sign for sign in text.replace("\r\n", "\n") if sign == "\n" or sign.isprintable() or sign == "\u3000"
    )


def unmarked(text: str) -> str:
    """The text with nothing in it that Markdown would take for markup."""
    return text.translate(_FULL_WIDTH)


def markdown_link(words: str, address: str) -> str:
    """A link; the address cannot end it early."""
    return f"[{words}]({address.replace(' ', '%20').replace('(', '%28').replace(')', '%29')})"


def utf8(text: str) -> int:
    """How many bytes the text takes."""
    return len(text.encode())


def fitting(lines: Sequence[str], room: int, size: Callable[[str], int], *, has_link: bool) -> list[str]:
    """As many of the lines, from the first, as there is room for; the last one says when some were left out.

    Args:
        lines: The text.
        room: What the lines may come to in all.
        size: What one line comes to, with whatever stands between two of them.
        has_link: Whether the reader can follow a link to the whole.
    """
    if sum(map(size, lines)) <= room:
        return list(lines)
    said = "（内容过长，其余从略" + ("，请点开链接查看全文）" if has_link else "）")
    room -= size(said)
    kept: list[str] = []
    for line in lines:
        if size(line) > room:
            # One line that alone is too long is cut within; a later one is left out whole.
            if not kept:
                kept.append(_start(line, room, size))
            break
        room -= size(line)
        kept.append(line)
    return [*kept, said]


def _start(line: str, room: int, size: Callable[[str], int]) -> str:
    shortest, longest = 0, len(line)
    while shortest < longest:
        middle = (shortest + longest + 1) // 2
        if size(line[:middle]) <= room:
            shortest = middle
        else:
            longest = middle - 1
    return line[:shortest]
