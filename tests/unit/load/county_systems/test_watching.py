import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from load.county_systems.watching import OfWorkers, each_address, metrics, settled_after

TEXT = """# HELP fourones_outbox_depth Rows waiting.
# TYPE fourones_outbox_depth gauge
fourones_outbox_depth 3.0
fourones_consumer_lag_records{group="a",partition="0",topic="figures-submitted"} 4.0
fourones_consumer_lag_records{group="a",partition="1",topic="figures-submitted"} 1e+01
fourones_consumer_lag_records_created{group="a"} 1.7e+09
"""


@contextmanager
def serving(texts):
    """A worker whose metrics are these, one after the other; the last one stays."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write((texts.pop(0) if len(texts) > 1 else texts[0]).encode())

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_the_backlog_is_what_waits_in_the_outbox_and_what_has_not_been_applied():
    with serving([TEXT]) as url:
        assert metrics(url, ["fourones_outbox_depth"]) == 3
        assert OfWorkers([url, url]).left() == 2 * (3 + 4 + 10)


def test_a_system_has_settled_when_nothing_came_after_the_first_time_that_nothing_was_left():
    with serving([TEXT, "fourones_outbox_depth 0.0\n", TEXT, "fourones_outbox_depth 0.0\n"]) as url:
        settled = settled_after(OfWorkers([url]), since=time.monotonic(), at_most_s=60)
    # Four looks, the last of which found it quiet for good.
    assert settled is not None
    assert settled > 0


def test_a_backlog_that_stays_or_cannot_be_asked_for_has_not_settled():
    with serving([TEXT]) as url:
        assert settled_after(OfWorkers([url]), since=time.monotonic() - 9, at_most_s=9) is None
    assert settled_after(OfWorkers([url]), since=time.monotonic() - 9, at_most_s=9) is None


def test_every_address_of_a_name_is_asked():
    assert list(each_address("http://127.0.0.1:8080")) == ["http://127.0.0.1:8080"]
    assert all(url.endswith(":8080") for url in each_address("http://localhost:8080/"))


def test_a_name_that_is_not_known_is_an_error_of_the_network():
    with pytest.raises(OSError, match=r".+"):
        list(each_address("http://no-such-name.invalid"))
