"""The formats a submission may be sent in. Each reader makes the same `Draft`; the same rules check them all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from fourones_submission.domain.draft import Draft
from fourones_submission.formats import json_format

Reader = Callable[[bytes], Draft]

READERS: Mapping[str, Reader] = MappingProxyType({json_format.MEDIA_TYPE: json_format.read})
"""By media type."""
