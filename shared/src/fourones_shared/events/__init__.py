"""What the services tell one another: the data of every event, one module each, and the envelope around it.

These are contracts: a change that an older reader could not take is a new type (`.v2`), never an edit.
"""
