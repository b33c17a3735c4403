"""Cut connections, a function for each state of the page, and complete recordings.

Each function opens what it needs, cuts, and leaves nothing open on this side.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from tests.fetch import speech_dir
from tests.raw.client import Client
from tests.raw.files import upload
from tests.raw.http import multipart, request_head
from tests.raw.speaker import Speaker, Speech, packets_of

__all__ = ["CUTS", "MODEL", "UPLOADER", "Where", "record", "transcribed", "visit"]

MODEL = "tiny.en"
UPLOADER = "Or drop audio and video files"
PATHS = ("/", "/upload", "/testbench")


@dataclass(frozen=True)
class Where:
    """The app under test, and the recording to speak or upload there.

    Attributes:
        query: of the first address, such as ``invite=…``; without the question mark.
        recording: a WAV file.
    """

    address: str
    query: str = ""
    recording: Path = speech_dir() / "beckett.wav"

    async def opened(self, path: str = "/", *, model: str = MODEL) -> Client:
        """Return a new visitor with this page open and the model chosen."""
        client = Client(self.address)
        try:
            await client.open(path, query=self.query)
            if path != "/testbench" and model:
                await client.choose("Model", model)
        except BaseException:
            await client.close()
            raise
        return client

    @contextlib.asynccontextmanager
    async def visitor(self, path: str = "/", *, model: str = MODEL) -> AsyncIterator[Client]:
        """Open a page for a new visitor, and close it afterwards."""
        client = await self.opened(path, model=model)
        try:
            yield client
        finally:
            await client.close()

    @contextlib.asynccontextmanager
    async def speaker(self) -> AsyncIterator[Speaker]:
        """Open the live page and start a recording; afterwards disconnect and close the tab."""
        async with self.visitor() as client:
            speaker = Speaker(client)
            try:
                await speaker.start(Speech(packets_of(self.recording)))
                yield speaker
            finally:
                await speaker.vanish()


async def visit(where: Where, number: int) -> None:
    """Open one of the pages and close the tab, without recording or uploading."""
    async with where.visitor(PATHS[number % len(PATHS)], model=""):
        pass


async def record(where: Where, seconds: float = 2.0) -> str:
    """Speak, press STOP, and return the words."""
    async with where.speaker() as speaker:
        await speaker.listening()
        await asyncio.sleep(seconds)
        return await speaker.stop()


async def transcribed(client: Client, recording: Path, name: str = "speech.wav") -> str:
    """Upload a recording on the upload page; return its words when it is done."""
    answer = await upload(client, UPLOADER, name, recording.read_bytes())
    assert answer.status in (200, 204), answer.status
    await client.until(lambda: client.page.has("download_button", "SRT"), 90)
    return client.page.words()


async def _idle(where: Where, rng: random.Random) -> None:
    client = await where.opened(rng.choice(PATHS), model="")
    await client.cut()


async def _script_running(where: Where, rng: random.Random) -> None:
    client = Client(where.address)
    await client.fetch("/" + (f"?{where.query}" if where.query else ""))
    await client.connect()
    await client.rerun(page_name=rng.choice(PATHS).strip("/"))
    await asyncio.sleep(rng.uniform(0.0, 0.15))
    await client.cut()


async def _upload_halfway(where: Where, rng: random.Random) -> None:
    client = await where.opened("/upload")
    kind, body = multipart(where.recording.read_bytes(), "half.wav")
    host, port = where.address.removeprefix("http://").split(":")
    headers = {
        "Host": f"{host}:{port}", "Content-Type": kind, "Content-Length": str(len(body)),
        "X-Xsrftoken": client.xsrf, "Origin": where.address,
        "Cookie": "; ".join(f"{name}={value}" for name, value in client.cookies.items()),
    }  # fmt: skip
    path = f"/_stcore/upload_file/{client.page.session_id}/{rng.randbytes(8).hex()}"
    _, writer = await asyncio.open_connection(host, int(port))
    with contextlib.suppress(ConnectionError):
        writer.write(request_head("PUT", path, headers.items()) + body[: len(body) // 2])
        await writer.drain()
    writer.transport.abort()
    await client.cut()


async def _transcribing(where: Where, rng: random.Random) -> None:
    client = await where.opened("/upload")
    await upload(client, UPLOADER, "cut.wav", where.recording.read_bytes())
    await asyncio.sleep(rng.uniform(0.0, 0.5))
    await client.cut()


async def _while_recording(where: Where, rng: random.Random) -> None:
    speaker = Speaker(await where.opened())
    try:
        await speaker.start(Speech(packets_of(where.recording)))
        await asyncio.sleep(rng.uniform(0.0, 1.5))
    finally:
        await speaker.client.cut()
        await speaker.vanish()


async def _waiting(where: Where, rng: random.Random) -> None:
    """Cut a visitor who waits while another has the only place."""
    async with where.speaker() as other:
        await other.listening()
        waiting = Speaker(await where.opened())
        try:
            await waiting.start(Speech(packets_of(where.recording)))
            page = waiting.client.page
            await waiting.client.until(lambda: "in the queue" in " ".join(page.texts("alert")), 20)
        finally:
            await waiting.client.cut()
            await waiting.vanish()


async def _downloading(where: Where, rng: random.Random) -> None:
    client = await where.opened("/upload")
    try:
        await transcribed(client, where.recording)
        url = client.page.one("audio").proto.url
        host, port = where.address.removeprefix("http://").split(":")
        cookies = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
        reader, writer = await asyncio.open_connection(host, int(port), limit=1 << 12)
        writer.write(request_head("GET", url, {"Host": host, "Cookie": cookies}.items()))
        await reader.read(1 << 10)
        writer.transport.abort()
    finally:
        await client.cut()


CUTS: dict[str, Callable[[Where, random.Random], Awaitable[None]]] = {
    "idle": _idle,
    "script running": _script_running,
    "upload half-way": _upload_halfway,
    "transcribing": _transcribing,
    "recording": _while_recording,
    "waiting in the queue": _waiting,
    "downloading": _downloading,
}
