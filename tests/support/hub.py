"""A model hub on loopback that can misbehave."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

__all__ = ["Hub", "serving"]

COMMIT = "c0ffee" * 6 + "c0ff"


@dataclass
class Hub:
    """Repositories by name, each with its files.

    Attributes:
        address: where it listens.
        requested: the paths of all requests.
        declared_bytes: false sizes by file name.
        endless: files that never end.
        gate: while it is not set, files stop after their first bytes.
    """

    repos: dict[str, Mapping[str, bytes]]
    address: str = ""
    commit: str = COMMIT
    requested: list[str] = field(default_factory=list)
    declared_bytes: dict[str, int] = field(default_factory=dict)
    endless: set[str] = field(default_factory=set)
    headers: dict[str, str] = field(default_factory=dict)
    gate: threading.Event = field(default_factory=threading.Event)
    sent_bytes: int = 0

    def downloads(self, name: str) -> int:
        """Return how often the file was requested."""
        return sum(path.endswith(f"/{name}") for path in self.requested)


@contextmanager
def serving(repos: dict[str, Mapping[str, bytes]]) -> Iterator[Hub]:
    """Serve ``repos`` until the block ends."""
    hub = Hub(repos)
    hub.gate.set()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            return

        def do_GET(self) -> None:
            hub.requested.append(self.path)
            parts = self.path.split("?")[0].strip("/").split("/")
            try:
                if parts[:2] == ["api", "models"]:
                    self._describe("/".join(parts[2:4]))
                else:
                    self._send("/".join(parts[:2]), parts[-1])
            except (BrokenPipeError, ConnectionResetError):
                return

        def _describe(self, repo: str) -> None:
            if repo not in hub.repos:
                self.send_error(404)
                return
            files = [
                {"rfilename": name, "size": hub.declared_bytes.get(name, len(data))}
                | ({"lfs": _lfs(data)} if name.endswith((".bin", ".safetensors")) else {})
                for name, data in hub.repos[repo].items()
            ]
            body = json.dumps({"id": repo, "modelId": repo, "sha": hub.commit, "siblings": files})
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(body.encode())

        def _send(self, repo: str, name: str) -> None:
            data = hub.repos.get(repo, {}).get(name)
            if data is None:
                self.send_error(404)
                return
            self.send_response(200)
            for header, value in hub.headers.items():
                self.send_header(header, value)
            self.end_headers()
            self._write(data[:1000])
            hub.gate.wait(60)
            self._write(data[1000:])
            while name in hub.endless:
                self._write(bytes(1 << 20))

        def _write(self, data: bytes) -> None:
            self.wfile.write(data)
            hub.sent_bytes += len(data)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        hub.address = f"http://127.0.0.1:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield hub
        finally:
            hub.gate.set()
            server.shutdown()


def _lfs(data: bytes) -> dict[str, object]:
    return {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 1}
