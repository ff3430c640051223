"""The verdicts as Prometheus series.

Only the API exposes them: its replicas are what outlives a worker's restart, and series that both roles exposed would
come twice. Every replica exposes the whole set from the database, so rules take `max without (instance, pod)`.
"""
