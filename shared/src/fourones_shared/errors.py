"""The exceptions of the project, each leaf named for what its catcher does.

FouronesError
├── Rejected            tell the sender what is wrong and how to mend it
│   ├── InvalidPeriod
│   ├── InvalidNumber
│   └── CatalogueRefused
├── Retry               the same call may succeed later: wait and repeat it
│   └── CatalogueBehind
├── DeadLetter          this one message can never be applied: set it aside, go on
└── Stop                going on would lose or double something: end the process, loudly
"""

from __future__ import annotations


class FouronesError(Exception):
    """Root of everything the project raises on purpose."""


class Rejected(FouronesError):
    """Input that is wrong and stays wrong until its sender mends it."""


class InvalidPeriod(Rejected):
    """A text that names no period, or a period of a form that is not allowed here."""


class InvalidNumber(Rejected):
    """A text that is no exact decimal, or has more digits than are kept."""


class CatalogueRefused(Rejected):
    """A catalogue with faults; `faults` tells all of them."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__(f"{len(faults)} fault(s) in the catalogue:\n" + "\n".join(faults))
        self.faults = faults


class Retry(FouronesError):
    """A failure that passes: a lost connection, a lock, a broker that is away."""


class CatalogueBehind(Retry):
    """An event names a catalogue version that has not reached this service yet."""

    def __init__(self, needed: int, known: int) -> None:
        super().__init__(f"catalogue version {needed} is needed, version {known} is the newest known here")
        self.needed = needed
        self.known = known


class DeadLetter(FouronesError):
    """A message that no repetition can make applicable; `reason` is a short code for people and metrics."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class Stop(FouronesError):
    """A state in which every way on would be wrong; the supervisor restarts the process, an operator looks."""
