"""Keeps figures with all their revisions and rolls them up exactly."""
