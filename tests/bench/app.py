"""An app that stamps the moment at which it is told: `NANOSECONDS NANOSECONDS START`, and the same once when it starts.

    app.py FILE         told by SIGHUP
    app.py FILE PORT    told by HTTP on that port

The stamps are of CLOCK_MONOTONIC: when it was told, and when it had read the file then. START is how the file begins.
"""

import os
import signal
import socket
import sys
import time

path = sys.argv[1]


def told(*_: object) -> None:
    """Stamp, read, stamp, print."""
    told_ns = time.monotonic_ns()
    with open(path, "rb", buffering=0) as file:
        start = file.read(8)
    os.write(1, b"%d %d %s\n" % (told_ns, time.monotonic_ns(), start))


if len(sys.argv) == 2:
    signal.signal(signal.SIGHUP, told)
    told()
    while True:
        signal.pause()

with socket.create_server(("127.0.0.1", int(sys.argv[2]))) as server:
    told()
    while True:
        connection, _ = server.accept()
        with connection:
            if connection.recv(4096):
                told()
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
