"""HTTP over a raw socket, to send anything and cut the connection anywhere."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from http.cookies import SimpleCookie
from urllib.parse import urljoin, urlsplit

__all__ = ["Response", "fetch", "multipart", "read_response", "request_head"]

MOST_BYTES = 64 << 20  # read of an answer; the app's own files are smaller


@dataclass(frozen=True)
class Response:
    """An answer as received.

    Attributes:
        status: 0 if the server closed the connection without an answer.
        headers: lower-case names; repeated ones keep all values.
        body: with the transfer encoding removed.
    """

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    raw: bytes = b""

    def header(self, name: str) -> str:
        """Return the first value of a header; empty if it is absent."""
        return next((value for key, value in self.headers if key == name.lower()), "")

    @property
    def cookies(self) -> dict[str, str]:
        """Return the cookies that it sets; an empty value deletes one."""
        jar: dict[str, str] = {}
        for name, value in self.headers:
            if name == "set-cookie":
                jar |= {key: morsel.value for key, morsel in SimpleCookie(value).items()}
        return jar


def request_head(method: str, path: str, headers: Iterable[tuple[str, str]]) -> bytes:
    """Return request line and headers as bytes, unchecked."""
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers)]
    return "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape")


def multipart(data: bytes, name: str, content_type: str = "audio/wav") -> tuple[str, bytes]:
    """Return the content type and the body of a form with one file, as a browser sends it."""
    boundary = "----raw-client-7d93a1"
    quoted = name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{quoted}"\r\n'
        f"Content-Type: {content_type}\r\n\r\n"
    )
    body = head.encode("utf-8", "surrogatepass") + data + f"\r\n--{boundary}--\r\n".encode()
    return f"multipart/form-data; boundary={boundary}", body


async def read_response(reader: asyncio.StreamReader) -> Response:
    """Read one answer as far as it arrives; status 0 if there is none."""
    raw = b""
    with contextlib.suppress(ConnectionError):
        while len(raw) < MOST_BYTES and (piece := await reader.read(1 << 16)):
            raw += piece
            if _is_whole(raw):
                break
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    parts = first.split(" ", 2)
    if len(parts) < 2 or not parts[1].isdigit():
        return Response(0, raw=raw)
    headers = tuple(
        (name.strip().lower(), value.strip())
        for name, _, value in (line.partition(":") for line in lines)
    )
    if ("transfer-encoding", "chunked") in headers:
        body = _joined_chunks(body)
    return Response(int(parts[1]), headers, body, raw)


def _is_whole(raw: bytes) -> bool:
    """Return whether an answer with a declared length is complete."""
    head, gap, body = raw.partition(b"\r\n\r\n")
    for line in head.lower().split(b"\r\n") if gap else ():
        if line.startswith(b"content-length:"):
            return len(body) >= int(line.split(b":")[1])
        if line.startswith(b"transfer-encoding: chunked"):
            return body.endswith(b"0\r\n\r\n")
    return False  # until the server closes the connection


def _joined_chunks(body: bytes) -> bytes:
    whole, at = b"", 0
    while (end := body.find(b"\r\n", at)) >= 0:
        size = int(body[at:end].split(b";")[0] or b"0", 16)
        if not size:
            break
        whole += body[end + 2 : end + 2 + size]
        at = end + 4 + size
    return whole


async def fetch(
    address: str, path: str, *, method: str = "GET", headers: Mapping[str, str] | None = None,
    cookies: dict[str, str] | None = None, body: bytes | AsyncIterator[bytes] = b"",
    follow: int = 5, timeout_s: float = 60.0,
) -> Response:  # fmt: skip
    """Send a request as a browser would and return the answer; cookies set are kept.

    Args:
        address: ``http://host:port``.
        cookies: sent, and changed by what the answer sets.
        body: bytes, or pieces sent as they come, without a declared length.
        follow: largest number of redirects.

    Raises:
        OSError: nobody listens there.
        TimeoutError: the answer took longer than ``timeout_s``.
    """
    url = urlsplit(address)
    assert url.hostname
    sent = {"Host": url.netloc, "Connection": "close", "User-Agent": "raw", **(headers or {})}
    if cookies:
        sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in cookies.items())
    if isinstance(body, bytes):
        sent |= {"Content-Length": str(len(body))} if body or method != "GET" else {}
    else:
        sent["Transfer-Encoding"] = "chunked"
    async with asyncio.timeout(timeout_s):
        reader, writer = await asyncio.open_connection(url.hostname, url.port or 80)
        try:
            writer.write(request_head(method, path, sent.items()))
            with contextlib.suppress(ConnectionError):  # refused early: read the answer
                await _write(writer, body)
            answer = await read_response(reader)
        finally:
            writer.close()
    if cookies is not None:
        cookies |= answer.cookies
        for name in [name for name, value in cookies.items() if not value]:
            del cookies[name]
    if follow and answer.status in (301, 302, 303, 307, 308):
        target = urlsplit(urljoin(address + path, answer.header("location")))
        onward = target.path + (f"?{target.query}" if target.query else "")
        return await fetch(
            address, onward, headers=headers, cookies=cookies, follow=follow - 1,
            timeout_s=timeout_s,
        )  # fmt: skip
    return answer


async def _write(writer: asyncio.StreamWriter, body: bytes | AsyncIterator[bytes]) -> None:
    if isinstance(body, bytes):
        writer.write(body)
        await writer.drain()
        return
    async for piece in body:
        writer.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        await writer.drain()
    writer.write(b"0\r\n\r\n")
    await writer.drain()
