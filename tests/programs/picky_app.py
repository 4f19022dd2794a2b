"""An app with a mind of its own: what stands in its file says what it does when it is told to read it.

picky_app.py FILE [START_DELAY_S]: prints `port N`, then `took '…'` for the start and each reload, by SIGHUP or POST. A content
that begins with `die` ends it with 7, `refuse` is answered by 500 and not taken, `hang` is not answered. GET tells what it took.
"""

import os
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

file = Path(sys.argv[1])
time.sleep(float(sys.argv[2]) if len(sys.argv) > 2 else 0)
taken = [""]


def take() -> int:
    """Read the file; the status that answers for it."""
    text = file.read_text() if file.exists() else "nothing"
    if text.startswith("die"):
        print(f"dies of {text!r}", flush=True)
        os._exit(7)
    if text.startswith("hang"):
        threading.Event().wait()
    if text.startswith("refuse"):
        print(f"refuses {text!r}", flush=True)
        return 500
    taken[0] = text
    print(f"took {text!r}", flush=True)
    return 200


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.answer(take(), b"")

    def do_GET(self) -> None:
        self.answer(200, taken[0].encode())

    def answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing else."""


signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
signal.signal(signal.SIGHUP, lambda *_: None)
server = ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "0"))), Handler)
print(f"port {server.server_port}", flush=True)
take()
threading.Thread(target=server.serve_forever, daemon=True).start()
while True:
    signal.sigwait({signal.SIGHUP})
    take()
