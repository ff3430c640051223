"""Judges every target and shows the verdicts as metrics."""
