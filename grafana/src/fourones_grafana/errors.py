"""What can go wrong.

BoardsError
├── NotCurrent      the files are not what the code makes: generate them
├── Refused         Grafana refused a request: its reason says why
└── QueryFailed     a data source did not answer a question of a board
"""


class BoardsError(Exception):
    """Told to the user as it is."""


class NotCurrent(BoardsError):
    """The files are not what the code makes."""


class Refused(BoardsError):
    """Grafana refused a request."""


class QueryFailed(BoardsError):
    """A data source did not answer a question."""
