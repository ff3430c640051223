"""Asks a running Prometheus and PostgreSQL everything that the boards ask, and holds the answers against the panels.

`asking`         the two data sources, asked as Grafana asks them
`interpolating`  variables and macros, put in as Grafana does
`frames`         what Grafana makes of the answers, and its transformations
`examining`      every panel with every value of its variables
"""
