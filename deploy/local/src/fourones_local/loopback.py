"""HTTP on the loopback: httpx without the certificates of all the world's authorities.

Loading them takes every new client, and every `httpx.get`, tens of milliseconds of CPU: whoever asks until something
answers would take more than what is asked. Nothing on the loopback speaks TLS, and no proxy leads there.
"""

import ssl
from typing import Any

import httpx

# Trusts nobody: an address with https is refused.
_NO_AUTHORITIES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def client(**options: Any) -> httpx.Client:
    """A client with httpx's options, for as long as its owner keeps it open."""
    return httpx.Client(verify=_NO_AUTHORITIES, trust_env=False, **options)


# A connection for each request: what is asked is often just starting, or ending.
_ONE_EACH = client(limits=httpx.Limits(max_keepalive_connections=0))


def request(method: str, url: str, **options: Any) -> httpx.Response:
    """One request on a connection of its own; options and errors as of `httpx.request`."""
    return _ONE_EACH.request(method, url, **options)


def get(url: str, **options: Any) -> httpx.Response:
    """A GET on a connection of its own."""
    return request("GET", url, **options)


def post(url: str, **options: Any) -> httpx.Response:
    """A POST on a connection of its own."""
    return request("POST", url, **options)


def put(url: str, **options: Any) -> httpx.Response:
    """A PUT on a connection of its own."""
    return request("PUT", url, **options)
