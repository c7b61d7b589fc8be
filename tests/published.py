"""Documents at addresses of this machine, for real neighbours that fetch somebody's keys.

For example::

    with publishing() as documents:
        documents["/governd.jwks"] = public_jwks
        documents.uri("/governd.jwks")  # http://127.0.0.1:<port>/governd.jwks
"""

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Documents(dict[str, bytes]):
    """JSON documents by their paths."""

    def __init__(self) -> None:
        """Has none, and no address yet."""
        super().__init__()
        self.port = 0

    def uri(self, path: str) -> str:
        """Where a document is."""
        return f"http://127.0.0.1:{self.port}{path}"


@contextlib.contextmanager
def publishing() -> Iterator[Documents]:
    """Serves documents from a thread of its own."""
    documents = Documents()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = documents.get(self.path)
            self.send_response(404 if body is None else 200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        documents.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield documents
        finally:
            server.shutdown()
            thread.join()
