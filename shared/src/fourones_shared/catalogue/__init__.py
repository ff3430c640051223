"""The catalogue: what is reported, by whom, by when, how it adds up, and what was promised.

`model` holds its types, `duties` who must report what, `checks` the rules it must keep, `files` the YAML it is
written in. A catalogue is a value: it never changes; a change is a new version.
"""
