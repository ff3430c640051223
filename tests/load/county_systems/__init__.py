"""County systems at month-end: the load scenario, run by locust.

It needs nothing but locust and the standard library, so that it runs in an environment and an image of its own:

    locust --config tests/load/locust.conf --endpoints .local/endpoints.json --may-post-invented-figures

`make load` runs it against a stack of its own; what the mix is and what the thresholds mean: docs/load.md.
"""
