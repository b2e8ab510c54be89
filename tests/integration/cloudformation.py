"""CloudFormation's side of a custom resource: what it asks, and where it waits for the answer."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

ECHO = {"StackId": "stack", "RequestId": "request", "LogicalResourceId": "Resource"}
"""What each answer repeats of the question."""


@contextmanager
def cloudformation() -> Iterator[tuple[str, list[tuple[str, dict[str, Any]]]]]:
    """Where CloudFormation waits for the answer of a custom resource."""
    heard: list[tuple[str, dict[str, Any]]] = []

    class Ear(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            heard.append((self.headers["content-type"], json.loads(body)))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_args: Any) -> None:
            """Nothing to say."""

    with HTTPServer(("127.0.0.1", 0), Ear) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/answer?signature=x", heard
        finally:
            server.shutdown()
            thread.join()


def asked(kind: str, url: str) -> dict[str, Any]:
    """The event that a function gets: `kind` is Create, Update or Delete."""
    return {**ECHO, "RequestType": kind, "ResponseURL": url, "ResourceType": "Custom::It", "ResourceProperties": {}}
