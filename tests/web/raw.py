"""A server of ours in a thread, and what is said to it byte by byte."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import Any

import uvicorn

from azukari.web import server
from azukari.web.server import Limits


@contextlib.contextmanager
def running(app: Any, limits: Limits) -> Iterator[int]:
    """Serve an application; the port."""
    listener = socket.create_server(("127.0.0.1", 0))
    uvicorn_server = uvicorn.Server(server.config(app, limits=limits))
    thread = threading.Thread(target=uvicorn_server.run, args=([listener],))
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        uvicorn_server.should_exit = True
        thread.join()
        listener.close()


def talk(port: int, *pieces: bytes | threading.Event) -> bytes:
    """Everything the server says until it closes the connection, which it must. An event is waited for."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        for piece in pieces:
            if isinstance(piece, bytes):
                connection.sendall(piece)
            else:
                assert piece.wait(30)
        said = b""
        while part := connection.recv(65_536):
            said += part
        return said


def request(*headers: bytes, target: bytes = b"/", body: bytes = b"", last: bool = True) -> bytes:
    """A POST. last: the connection ends with it."""
    lines = [b"POST " + target + b" HTTP/1.1", b"Host: localhost", *headers]
    if body:
        lines.append(b"Content-Length: %d" % len(body))
    if last:
        lines.append(b"Connection: close")
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def status_of(said: bytes) -> int:
    """Of the first answer."""
    return int(said.split(b" ", 2)[1])
