"""A registry of one image at a port of this machine, from which a store that is here pulls what it lacks.

It can only be read, and only by who has its password: a name in the arguments of a program is no secret on a machine
with several users.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Iterator

from .blobs import digest_of
from .offer import Offer, Served

_ADDRESS = "127.0.0.1"

_WAITING = 64
"""Connections that may wait until they are taken."""

_SECRET = 16
"""Random bytes of a password, and of a name."""


@contextlib.contextmanager
def serving(offer: Offer) -> Iterator[Served]:
    """Serve an image while the block runs; every connection ends with it.

    :raises OSError: no port of this machine can be had.
    """
    with socket.create_server((_ADDRESS, 0), backlog=_WAITING) as listening:
        at = listening.getsockname()
        repository, password = os.urandom(_SECRET).hex(), os.urandom(_SECRET).hex()
        served = Served(f"{at[0]}:{at[1]}", repository, digest_of(offer.manifest), offer.config, password)
        ended = threading.Event()
        thread = threading.Thread(target=_serve, args=(offer, served, listening, ended), name="loopback", daemon=True)
        thread.start()
        try:
            yield served
        finally:
            ended.set()
            with contextlib.suppress(OSError), socket.create_connection(at, 1):
                pass  # It waits for a connection, not for the end.
            thread.join()


def _serve(offer: Offer, served: Served, listening: socket.socket, ended: threading.Event) -> None:
    # Loaded while the store makes ready to come, who waits at the port until then.
    from .loopback_server import Server

    with Server(offer, served, listening, ended) as server:
        while not ended.is_set():
            server.handle_request()
        server.hang_up()
