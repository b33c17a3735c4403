"""Requests and uploads that no browser sends."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator

from tests.raw.files import put
from tests.raw.hostile import Attack, Case, damaged
from tests.raw.http import multipart, read_response, request_head

__all__ = ["CASES"]

_PATHS = (
    "/", "//", "/upload", "/upload/..", "/operator", "/_stcore/health", "/_stcore/metrics",
    "/_stcore/host-config", "/_stcore/script-health-check", "/_stcore/stream", "/_stcore/x",
    "/_stcore/upload_file/x/y", "/_stcore/upload_file/%2e%2e/%2e%2e", "/media/x.wav",
    "/media/../../etc/passwd", "/media/%2e%2e%2f%2e%2e%2fetc%2fpasswd", "/static/../index.html",
    "/static/%2e%2e/%2e%2e/pyproject.toml", "/app/static/../../streamlit_app.py", "/component/x",
    "/component/streamlit_webrtc.webrtc_streamer/../../../x", "/_stcore/bidi-components/x/../..",
    "/oauth2callback?code=x&state=y", "/auth/login", "/auth/logout", "/?invite=" + "a" * 5000,
    "/?invite=%00", "/%00", "/%ff", "/\udcff", "/" + "a" * 20_000, "http://other.example/", "*",
    "/healthz", "/metrics", "/.streamlit/secrets.toml", "/favicon.png", "/manifest.json",
)  # fmt: skip
_HEADERS = (
    ("Host", "evil.example"), ("Host", ""), ("Host", "a" * 5000), ("Host", "127.0.0.1:x"),
    ("Origin", "https://evil.example"), ("Origin", "null"), ("Origin", "http://[::1"),
    ("Range", "bytes=0-"), ("Range", "bytes=-1"), ("Range", "bytes=5-1,0-0," + "0-1," * 500),
    ("Accept-Encoding", "gzip, br, zstd;q=9"), ("Content-Encoding", "gzip"),
    ("Content-Length", "-1"), ("Content-Length", "99999999999999999999"), ("Content-Length", "x"),
    ("Transfer-Encoding", "chunked"), ("Transfer-Encoding", "identity, chunked"),
    ("Cookie", "_streamlit_xsrf=\x01"), ("Cookie", "=;;=;" * 500), ("Cookie", "a=" + "b" * 60_000),
    ("X-Forwarded-For", "' OR 1=1"), ("X-Forwarded-Host", "evil.example"), ("Forwarded", "for=x"),
    ("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Expect", "100-continue"),
    ("If-None-Match", "*"), ("If-Modified-Since", "x"), ("Accept-Language", "\udcff"),
    ("Sec-WebSocket-Key", "x"), ("Sec-WebSocket-Version", "99"), ("Bad Name", "x"), ("", "x"),
)  # fmt: skip
_METHODS = (
    "GET",
    "GET",
    "HEAD",
    "POST",
    "PUT",
    "DELETE",
    "OPTIONS",
    "TRACE",
    "CONNECT",
    "get",
    "X" * 99,
)
_NAMES = ("a.wav", "", "../../x.wav", "/etc/passwd", "\x00.wav", 'a".wav', "a\r\nX: y", "é" * 2000,
          "con.wav", ".", "%2e%2e", "a.wav\u202egpj", "\ud800.wav")  # fmt: skip


async def _bare(attack: Attack, data: bytes, seconds: float = 4.0) -> None:
    """Send bytes and observe what comes back for some seconds."""
    host, port = attack.where.address.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        with contextlib.suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(seconds):
                writer.write(data)
                await writer.drain()
                attack.watch((await read_response(reader)).raw)
    finally:
        writer.transport.abort()


async def odd_requests(attack: Attack) -> None:
    """Send random combinations of paths, methods and headers."""
    rng = attack.rng
    host = attack.where.address.removeprefix("http://")
    for _ in range(20):
        headers = rng.sample(_HEADERS, rng.choice((0, 1, 1, 2, 5)))
        if not any(name == "Host" for name, _ in headers) and rng.random() < 0.95:
            headers.insert(0, ("Host", host))
        headers += [("X-%d" % n, "y") for n in range(rng.choice((0, 0, 0, 500)))]  # noqa: UP031
        head = request_head(
            rng.choice(_METHODS), rng.choice(_PATHS), [*headers, ("Connection", "close")]
        )
        if rng.random() < 0.2:
            head = damaged(head, rng)
        await _bare(attack, head + rng.choice((b"", b"", b"0\r\n\r\n", rng.randbytes(300))), 2.0)


async def slow_requests(attack: Attack) -> None:
    """Open connections that send a header a second and never end."""

    async def slow() -> None:
        host, port = attack.where.address.removeprefix("http://").split(":")
        _, writer = await asyncio.open_connection(host, int(port))
        with contextlib.suppress(ConnectionError):
            writer.write(b"GET / HTTP/1.1\r\n")
            for n in range(5):
                writer.write(b"X-%d: y\r\n" % n)
                await writer.drain()
                await asyncio.sleep(1)
        writer.transport.abort()

    await asyncio.gather(*(slow() for _ in range(40)), return_exceptions=True)


async def odd_uploads(attack: Attack) -> None:
    """Upload with wrong tokens, others' sessions, odd names and invalid forms."""
    rng = attack.rng
    async with attack.visitor("/upload") as client, attack.visitor("/upload") as other:
        for _ in range(8):
            session_id = rng.choice(
                (client.page.session_id, other.page.session_id, "0" * 36, "%2e", attack.text()[:99])
            )
            file_id = rng.choice((uuid.uuid4().hex, "..", "%00", "a" * 3000))
            path = "".join(c for c in f"/_stcore/upload_file/{session_id}/{file_id}" if c > " ")
            kind, body = multipart(rng.randbytes(rng.choice((0, 44, 100_000))), rng.choice(_NAMES))
            if rng.random() < 0.5:
                body = damaged(body, rng)
            kind = rng.choice(
                (
                    kind,
                    kind,
                    "multipart/form-data",
                    "text/plain",
                    "multipart/form-data; boundary=" + "x" * 5000,
                )
            )
            token = rng.choice((None, None, "", "2|x|x|x", "\x01"))
            headers = {"Content-Type": kind, "Origin": rng.choice((client.address, "null"))}
            headers["X-Xsrftoken"] = client.xsrf if token is None else token
            method = rng.choice(("PUT", "PUT", "PUT", "DELETE", "OPTIONS", "POST", "GET"))
            with contextlib.suppress(ConnectionError, TimeoutError):
                await client.fetch(path, method=method, headers=headers, body=body, timeout_s=10)


async def endless_upload(attack: Attack) -> None:
    """Send a chunked body without an end, and one of a huge declared length, slowly."""
    rng = attack.rng

    async def pieces() -> AsyncIterator[bytes]:
        yield multipart(b"", "a.wav")[1].split(b"\r\n--")[0]
        for _ in range(200):
            yield bytes(1 << 18)
            await asyncio.sleep(0.02)
        await asyncio.sleep(2)
        raise EOFError  # leaves

    async with attack.visitor("/upload") as client:
        path = f"/_stcore/upload_file/{client.page.session_id}/{uuid.uuid4().hex}"
        if rng.random() < 0.5:
            with contextlib.suppress(ConnectionError, TimeoutError, EOFError):
                await put(client, path, "a.wav", b"", pieces())
            return
        headers = [
            ("Host", client.address.removeprefix("http://")), ("X-Xsrftoken", client.xsrf),
            ("Cookie", "; ".join(f"{k}={v}" for k, v in client.cookies.items())),
            ("Content-Type", multipart(b"", "a.wav")[0]),
            ("Content-Length", rng.choice(("5000000000", "400000000", "100000"))),
        ]  # fmt: skip
        await _bare(attack, request_head("PUT", path, headers) + bytes(1000), 5.0)


async def large_uploads(attack: Attack) -> None:
    """Upload large files that no page asked for, one after the other."""
    async with attack.visitor("/upload") as client:
        for _ in range(3):
            path = f"/_stcore/upload_file/{client.page.session_id}/{uuid.uuid4().hex}"
            await put(client, path, "a.wav", bytes(30_000_000))


CASES: dict[str, Case] = {
    "odd requests": odd_requests,
    "slow requests": slow_requests,
    "odd uploads": odd_uploads,
    "endless upload": endless_upload,
    "large uploads": large_uploads,
}
