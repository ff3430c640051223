"""The contracts as files: JSON Schemas and the AsyncAPI document, generated from the event models and the topics.

`python -m fourones_shared.contracts.generate` writes them; with `--check` it fails when they are not current.
"""
