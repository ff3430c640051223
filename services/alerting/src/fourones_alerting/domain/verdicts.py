"""The outcomes of judging a target, and the light each one shows."""

from __future__ import annotations

from enum import StrEnum


class Verdict(StrEnum):
    """What became of a target at a date."""

    ACHIEVED = "achieved"
    ON_TRACK = "on_track"
    LAGGING = "lagging"
    OFF_TRACK = "off_track"
    DETERIORATING = "deteriorating"
    NO_DATA = "no_data"
    NOT_ASSESSABLE = "not_assessable"

    @property
    def light(self) -> Light:
        """The light it shows."""
        return _LIGHTS[self]

    @property
    def is_red(self) -> bool:
        """Whether it shows red."""
        return self.light is Light.RED


class Light(StrEnum):
    """What a leader sees from across the room."""

    GREEN = "green"
    YELLOW = "yellow"
    RED = "red"
    GREY = "grey"


_LIGHTS = {
    Verdict.ACHIEVED: Light.GREEN,
    Verdict.ON_TRACK: Light.GREEN,
    Verdict.LAGGING: Light.YELLOW,
    Verdict.OFF_TRACK: Light.RED,
    Verdict.DETERIORATING: Light.RED,
    Verdict.NO_DATA: Light.GREY,
    Verdict.NOT_ASSESSABLE: Light.GREY,
}
