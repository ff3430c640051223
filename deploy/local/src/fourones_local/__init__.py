"""Runs the whole system on one machine without containers.

Read `stack` first: it says in which order everything starts. `kafka` and `postgres` each describe one server
(how to prepare it, how to start it, when it is ready); `supervisor` keeps them and the services running for
operators, `process` runs a single one for tests.
"""
