"""A proxy before PostgreSQL that keeps to itself that a submission was committed.

What stands between the two is the moment that no client can see: the transaction is done, and the one who asked for it
does not know.
"""

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

STORING = b"INSERT INTO submission"
COMMITTING = b"COMMIT"
_CHUNK = 64 * 1024


class Holding:
    """Passes on everything, but for the answer to the commit of a submission once it is told to hold it.

    Args:
        port: of the server, on the loopback.
    """

    def __init__(self, port: int) -> None:
        self._server_port = port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._sockets: list[socket.socket] = [self._listening]
        self.hold = threading.Event()
        self.held = threading.Event()
        """Set when a commit has gone to the server whose answer will never come back."""

    @property
    def port(self) -> int:
        return int(self._listening.getsockname()[1])

    def accept(self) -> None:
        """Serve connections until the proxy is closed."""
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                server = socket.create_connection(("127.0.0.1", self._server_port))
                self._sockets += [client, server]
                withheld = threading.Event()
                for way in (self._ask, self._answer):
                    threading.Thread(target=way, args=(client, server, withheld), daemon=True).start()

    def close(self) -> None:
        for one in self._sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _ask(self, client: socket.socket, server: socket.socket, withheld: threading.Event) -> None:
        storing = False
        with contextlib.suppress(OSError), closing(server):
            while data := client.recv(_CHUNK):
                storing = storing or STORING in data
                if storing and COMMITTING in data and self.hold.is_set():
                    # Before the commit is passed on, so that its answer finds the way closed.
                    withheld.set()
                    self.held.set()
                server.sendall(data)
                storing = storing and COMMITTING not in data

    def _answer(self, client: socket.socket, server: socket.socket, withheld: threading.Event) -> None:
        with contextlib.suppress(OSError), closing(client):
            while data := server.recv(_CHUNK):
                if not withheld.is_set():
                    client.sendall(data)


@contextmanager
def holding(port: int) -> Iterator[Holding]:
    """A proxy before the server at this port."""
    proxy = Holding(port)
    thread = threading.Thread(target=proxy.accept)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.close()
        thread.join(20)
