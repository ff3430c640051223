"""The formats a submission may be sent in. Each reader makes the same `Draft`; the same rules check them all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType

from fourones_submission.domain.draft import Draft
from fourones_submission.formats import encodings, json_format, sdmx_csv, workbook

Reader = Callable[[bytes], Draft]

READERS: Mapping[str, Reader] = MappingProxyType(
    {
        json_format.MEDIA_TYPE: json_format.read,
        sdmx_csv.MEDIA_TYPE: sdmx_csv.read,
        sdmx_csv.PLAIN_MEDIA_TYPE: sdmx_csv.read,
        workbook.MEDIA_TYPE: workbook.read,
    }
)
"""By media type."""

CHARSETS: Mapping[str, frozenset[str]] = MappingProxyType(
    dict.fromkeys((sdmx_csv.MEDIA_TYPE, sdmx_csv.PLAIN_MEDIA_TYPE), encodings.UTF_8 | encodings.GB18030)
)
"""By media type, where it may be in others than UTF-8: the charsets that may be named beside it."""

VERSIONS: Mapping[str, frozenset[str]] = MappingProxyType({sdmx_csv.MEDIA_TYPE: sdmx_csv.VERSIONS})
"""By media type, where it has versions: those that are read."""

COMPRESSED = frozenset({workbook.MEDIA_TYPE})
"""Media types whose bodies do not tell by their size how much work they are."""


def reader_of(media_type: str, charset: str | None) -> Reader:
    """The reader of a body.

    Args:
        media_type: one of `READERS`.
        charset: the one that is named beside it, lower case.
    """
    if media_type in CHARSETS:
        return partial(sdmx_csv.read, charset=charset)
    return READERS[media_type]
