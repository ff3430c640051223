"""The rules of a catalogue by what they look at; `checks` runs them all.

Each rule takes a catalogue and yields faults. A rule skips what a reference rule has already found missing.
"""
