"""The least that keeps a folder equal to a ConfigMap in Python and tells an app: what the program's latency is measured against.

    floor.py URL CA TOKEN NAME FOLDER signal|PORT COMMAND...

One list, the command, one watch; each file is written beside its place and renamed; a SIGHUP or a POST. No error is handled
but a lost connection, after which it starts over in half a second.
"""

import http.client
import json
import os
import signal
import ssl
import sys
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

url, ca, token, name, folder, way, *command = sys.argv[1:]
address = urlsplit(url)
tls = ssl.create_default_context(cafile=ca)
path = f"/api/v1/namespaces/default/configmaps?fieldSelector=metadata.name%3D{name}"
headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}


def write(data: dict[str, str]) -> None:
    """Write each file beside its place and rename it."""
    for key, text in data.items():
        with open(f"{folder}/.{key}", "w", encoding="utf-8") as file:
            file.write(text)
        os.rename(f"{folder}/.{key}", f"{folder}/{key}")


def tell() -> None:
    """Tell the app."""
    if way == "signal":
        os.kill(pid, signal.SIGHUP)
        return
    connection = http.client.HTTPConnection("127.0.0.1", int(way))
    connection.request("POST", "/-/reload")
    connection.getresponse().read()
    connection.close()


def lines(answer: http.client.HTTPResponse) -> Iterator[bytes]:
    """Each line of a stream as soon as it is there."""
    parts = []
    while part := answer.read1(65536):
        parts.append(part)
        if part.endswith(b"\n"):
            yield from b"".join(parts).splitlines()
            parts = []


pid = 0
while True:
    try:
        connection = http.client.HTTPSConnection(address.hostname or "", address.port, context=tls)
        connection.request("GET", path, headers=headers)
        found = json.loads(connection.getresponse().read())
        write(found["items"][0]["data"])
        if pid:
            tell()
        else:
            pid = os.posix_spawnp(command[0], command, os.environ)
        version = found["metadata"]["resourceVersion"]
        connection.request("GET", f"{path}&watch=1&resourceVersion={version}&timeoutSeconds=3600", headers=headers)
        for line in lines(connection.getresponse()):
            write(json.loads(line)["object"]["data"])
            tell()
    except (OSError, http.client.HTTPException, KeyError):
        time.sleep(0.5)
