"""Benchmarks: `make bench`. They print and never assert times; each starts a stack of its own on free ports."""
