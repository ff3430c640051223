"""The zip around a workbook, opened within limits: what it says of its sizes is checked, and not believed."""

from __future__ import annotations

import io
import posixpath
import struct
import zipfile
import zlib

from fourones_submission.formats.errors import Unreadable

# A workbook of the most figures a submission may hold inflates to some 10 MiB.
MOST_INFLATED_BYTES = 32 * 1024 * 1024
# Sheets of equal rows shrink 50 to 1; what deflate can do at most (1,032 to 1) is done on purpose.
MOST_RATIO = 200
# Below this a ratio says nothing and costs nothing.
_RATIO_MATTERS_BYTES = 1024 * 1024
# Workbooks have some dozen parts; the directory alone of a hundred thousand takes seconds to read.
MOST_PARTS = 2_000

_ENTRY = b"PK\x01\x02"
_ZIP = b"PK\x03\x04"
_OLE2 = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_OLE2_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
_ENCRYPTED_FLAG = 0x1
_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    # What `zipfile` raises for compression methods it does not know, for encryption, and for offsets that lie.
    NotImplementedError,
    RuntimeError,
    ValueError,
    OverflowError,
)

_SAVE_AS = "请在表格软件中“另存为” Excel 工作簿(.xlsx)后再报"


class Package:
    """The parts of a workbook, by path; every byte inflated counts against one limit.

    Raises:
        Unreadable: when the body is no such package, or one that would not fit.
    """

    def __init__(self, body: bytes) -> None:
        _recognised(body)
        if body.count(_ENTRY) > MOST_PARTS:
            raise Unreadable(f"工作簿内部的文件多于 {MOST_PARTS} 个,不予解压:请重新下载模板填报")
        try:
            self._archive = zipfile.ZipFile(io.BytesIO(body))
        except _DAMAGED as error:
            raise _damaged() from error
        # Names are compared without regard to case (ECMA-376 part 2, 6.3.5); some writers put backslashes.
        self._parts = {_normal(info.filename): info for info in self._archive.infolist()}
        self._left = MOST_INFLATED_BYTES

    def has(self, path: str) -> bool:
        """Whether there is such a part."""
        return _normal(path) in self._parts

    def part(self, path: str) -> bytes:
        """A part, inflated.

        Raises:
            Unreadable: when it is missing, damaged, encrypted, or larger than may be.
        """
        info = self._parts.get(_normal(path))
        if info is None:
            raise Unreadable(f"工作簿缺少内部文件 {path[:100]}:文件可能已损坏,{_SAVE_AS}")
        if info.flag_bits & _ENCRYPTED_FLAG:
            raise _protected()
        if info.file_size > self._left or (
            info.file_size > _RATIO_MATTERS_BYTES and info.file_size > MOST_RATIO * info.compress_size
        ):
            raise _too_large()
        try:
            with self._archive.open(info) as stream:
                # Never inflates further than this, and then the checksum of what was held back is missing.
                content = stream.read(info.file_size + 1)
        except _DAMAGED as error:
            raise _damaged() from error
        self._left -= len(content)
        return content


def resolved(base: str, target: str) -> str:
    """The path of a part that another part names; `base` is the path of the part that names it."""
    target = target.replace("\\", "/")
    return posixpath.normpath(posixpath.join("/", posixpath.dirname(base), target)).lstrip("/")


def _normal(path: str) -> str:
    return path.replace("\\", "/").lstrip("/").lower()


def _recognised(body: bytes) -> None:
    if body.startswith(_OLE2):
        if _OLE2_ENCRYPTED in body:
            raise _protected()
        raise Unreadable(f"这是旧版 Excel 97-2003 工作簿(.xls):{_SAVE_AS}")
    if not body:
        raise Unreadable("请求体为空:请附上填好的工作簿(.xlsx)")
    if not body.startswith(_ZIP):
        detail = "内容不是 Excel 工作簿(.xlsx),可能只是改了扩展名:" + _SAVE_AS
        raise Unreadable(detail + ";CSV 请用 CSV 的 Content-Type 报送")


def _damaged() -> Unreadable:
    return Unreadable(f"工作簿已损坏或没有传完,无法解压:请重新上传,或{_SAVE_AS}")


def _protected() -> Unreadable:
    return Unreadable("工作簿有打开密码,无法读取:请取消密码后再报")


def _too_large() -> Unreadable:
    limit = f"上限 {MOST_INFLATED_BYTES // 1024 // 1024} MiB"
    return Unreadable(f"工作簿解压后过大({limit}):请删去多余的行、格式和工作表,或重新下载模板填报")
