"""An app that is told by HTTP: prints each request with the file that it has then, and answers with the status given for it."""

import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

file, statuses = Path(sys.argv[1]), [int(status) for status in sys.argv[2:]]


class Handler(BaseHTTPRequestHandler):
    def do(self) -> None:
        print(f"{self.command} {self.path} {file.read_text() if file.exists() else None!r}", flush=True)
        self.send_response(statuses.pop(0) if len(statuses) > 1 else statuses[0])
        self.end_headers()

    do_GET = do_POST = do_PUT = do

    def log_message(self, *_: object) -> None:
        """Say nothing else."""


server = HTTPServer(("127.0.0.1", 0), Handler)
print(f"port {server.server_port}", flush=True)
server.serve_forever()
