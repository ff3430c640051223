"""What is not kept for ever."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Engine, text

from fourones_shared.domain.clock import Clock

# At least 7 days are promised; a county that repeats last month's request after a holiday is still recognised.
IDEMPOTENCY_KEPT_FOR = timedelta(days=45)


def forget_old_idempotency_keys(engine: Engine, clock: Clock) -> None:
    """Delete the idempotency keys that nobody repeats any more; the submissions stay."""
    with engine.begin() as connection:
        connection.execute(_FORGET, {"before": clock.now() - IDEMPOTENCY_KEPT_FOR})


_FORGET = text("DELETE FROM idempotency WHERE remembered_at < :before")
