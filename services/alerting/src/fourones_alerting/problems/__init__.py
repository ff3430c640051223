"""The problem list: its store with an append-only history, its opening by lights, its clock, its verification."""
