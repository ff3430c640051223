"""A running total per key in Quix Streams, run in the benchmarks' own environment.

usage: quix_totals.py BROKER TOPIC FIGURES own-key|by-place

Prints one line of JSON: the figures added, and the seconds from the first to the last.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from quixstreams import Application, State  # type: ignore[import-not-found]


def main(broker: str, topic_name: str, figures: int, grouping: str) -> None:
    app = Application(
        broker_address=broker,
        consumer_group=f"bench-{grouping}",
        auto_offset_reset="earliest",
        loglevel="ERROR",
        # The records are as large as in the service's own fetch.
        consumer_extra_config={"max.partition.fetch.bytes": 8 * 1024 * 1024},
        producer_extra_config={"linger.ms": 5},
    )
    topic = app.topic(topic_name, key_deserializer="string", value_deserializer="json")
    added = 0
    began = ended = 0.0

    def add(row: dict[str, Any], state: State) -> str:
        nonlocal added, began, ended
        if not added:
            began = time.perf_counter()
        place = f"{row['indicator']}|{row['cluster']}|{row['period']}"
        # Ten-thousandths, as exact as the service's decimals.
        whole, _, fraction = row["value"].partition(".")
        scaled = int(whole) * 10_000 + int(fraction.ljust(4, "0"))
        state.set(place, state.get(place, 0) + scaled)
        added += 1
        if added == figures:
            ended = time.perf_counter()
            app.stop()
        return place

    frame = app.dataframe(topic).apply(lambda value: value["figures"], expand=True)
    if grouping == "by-place":
        frame = frame.group_by(lambda row: f"{row['indicator']}|{row['cluster']}|{row['period']}", name="place")
    frame.update(add, stateful=True)
    app.run()
    sys.stdout.write(json.dumps({"figures": added, "seconds": ended - began}) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4])
