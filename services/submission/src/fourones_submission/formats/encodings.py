"""Text out of bytes, in the encodings that spreadsheets on Chinese desktops write.

UTF-8 is the rule; GB18030 (which holds GBK and GB2312) is what Excel on Chinese Windows saves as plain CSV, and is
recognised. Anything else is refused with the way to save it anew.
"""

from __future__ import annotations

import codecs
import unicodedata

from fourones_submission.formats.delimited import lines_before
from fourones_submission.formats.errors import Unreadable

UTF_8 = frozenset({"utf-8", "utf8"})
GB18030 = frozenset({"gb18030", "gbk", "gb2312", "gb_2312-80", "cp936", "ms936", "windows-936", "x-gbk"})
"""Names of charsets as Content-Type has them, lower case."""

_SAVE_AS = "请另存为“CSV UTF-8(逗号分隔)”后再报"
_WIDE = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")
# Chinese is written from here on; the letters below are what two bytes of GB18030 look like when taken for UTF-8.
_FIRST_WIDE_CHARACTER = "\u0800"


def decoded(body: bytes, charset: str | None) -> str:
    """The text of a body.

    Args:
        body: any bytes.
        charset: the one that its sender names, of `UTF_8` or `GB18030`; None to recognise it.

    Raises:
        Unreadable: when it is in neither encoding, or not in the one that is named.
    """
    _require_text(body)
    if charset in GB18030 and not body.startswith(codecs.BOM_UTF8):
        return _gb18030(body, f"请求头写明 charset={charset},此处却不是 GB18030 编码:请核对文件的编码")
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if not _mostly_utf_8(body):
            if charset is None:
                return _recognised(body)
            detail = f"请求头写明 charset={charset},文件却不是 UTF-8 编码:请改为 charset=gb18030,或{_SAVE_AS[1:]}"
            raise _unreadable(body, error.start, "utf-8", detail) from error
        raise _unreadable(body, error.start, "utf-8", f"此处的 UTF-8 编码残缺:{_SAVE_AS}") from error


def _require_text(body: bytes) -> None:
    if body.startswith(_WORKBOOKS):
        detail = "这是 Excel 工作簿,不是 CSV:请用工作簿的 Content-Type 报送,或另存为“CSV UTF-8(逗号分隔)”"
        raise Unreadable(detail, 1, 1)
    # Without a mark, too: every other byte of western text is zero there.
    if body.startswith(_WIDE) or body.count(0) * 4 > len(body):
        raise Unreadable(f"文件是 UTF-16 或 UTF-32 编码(Excel 的“Unicode 文本”):{_SAVE_AS}", 1, 1)


def _mostly_utf_8(body: bytes) -> bool:
    """Whether this is UTF-8 with some damage rather than another encoding.

    Broken UTF-8 often decodes as GB18030, too, into other characters: what was meant must not be guessed then.
    """
    text = body.decode("utf-8", "replace")
    damaged = text.count("\ufffd")
    return sum(character >= _FIRST_WIDE_CHARACTER for character in text) > 2 * damaged


def _recognised(body: bytes) -> str:
    otherwise = f"此处既不是 UTF-8 也不是 GB18030 编码:{_SAVE_AS}"
    text = _gb18030(body, otherwise)
    # Nearly any bytes are GB18030; characters that nobody has a key for show that these are something else.
    strange = {character for character in set(text) if unicodedata.category(character) in {"Cn", "Co"}}
    if strange:
        offset = min(text.index(character) for character in strange)
        raise _unreadable(body, len(text[:offset].encode("gb18030")), "gb18030", otherwise)
    return text


def _gb18030(body: bytes, otherwise: str) -> str:
    try:
        return body.decode("gb18030")
    except UnicodeDecodeError as error:
        raise _unreadable(body, error.start, "gb18030", otherwise) from error


def _unreadable(body: bytes, offset: int, encoding: str, detail: str) -> Unreadable:
    before = body[:offset].decode(encoding, "replace")
    line = before[max(before.rfind("\n"), before.rfind("\r")) + 1 :]
    # Cells of a quoted delimiter are counted as two: near enough for text that cannot be read.
    column = 1 + max(line.count(delimiter) for delimiter in ",;\t")
    return Unreadable(detail, lines_before(before) + 1, column)
