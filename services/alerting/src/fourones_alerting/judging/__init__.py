"""Judging as it happens: by event, by clock, by a new catalogue; each in one transaction with what caused it."""
