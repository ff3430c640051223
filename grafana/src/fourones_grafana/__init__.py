"""The boards as code.

`boards`        what each board shows, on `panels`, `variables` and `looks`
`generating`    writes them as JSON into `grafana/dashboards`, and tells whether what is there is current
`linting`       what every board keeps to
`checking`      asks a running Prometheus and PostgreSQL everything that the boards ask, as Grafana does
`sheet`         writes `docs/boards.md`
`pushing`       brings the boards into a running Grafana over its API
"""
