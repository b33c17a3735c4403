"""Hostile sets of recordings, and hostile recordings."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import io
import json
import random
import struct
import zipfile
from collections.abc import Callable

import av
import numpy as np

from tests.raw.client import NoPage
from tests.raw.cuts import MODEL, UPLOADER
from tests.raw.files import upload
from tests.raw.hostile import TEXTS, Attack, Case, damaged, odd_json

__all__ = ["CASES"]

_ZIP_UPLOADER = "Or a ZIP of such a folder"
_CENTRAL, _LOCAL = b"PK\x01\x02", b"PK\x03\x04"


@functools.cache
def _recording(container: str, codec: str, seconds: int, *, silent: bool = False) -> bytes:
    """Return a recording of noise or silence."""
    file, rate = io.BytesIO(), 48_000 if codec == "libopus" else 16_000
    noise = np.random.default_rng(0).integers(-2000, 2000, (1, rate), np.int16)
    with av.open(file, "w", format=container) as out:
        stream = out.add_stream(codec, rate=rate, layout="mono")
        resampler = av.AudioResampler(stream.format, "mono", rate, stream.frame_size or None)
        for second in range(seconds):
            frame = av.AudioFrame.from_ndarray(noise * (not silent), "s16", "mono")
            frame.sample_rate, frame.pts = rate, second * rate
            for piece in resampler.resample(frame):
                out.mux(stream.encode(piece))
        for piece in resampler.resample(None):
            out.mux(stream.encode(piece))
        out.mux(stream.encode(None))
    return file.getvalue()


def _packed(*files: tuple[str, bytes | str], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in files:
            archive.writestr(name, data)
    return file.getvalue()


def _patched(data: bytes, central: int, local: int, value: int) -> bytes:
    """Return a ZIP with a 16-bit field of every entry changed in both directories."""
    mutable = bytearray(data)
    for mark, offset in ((_CENTRAL, central), (_LOCAL, local)):
        at = mutable.find(mark)
        while at >= 0:
            struct.pack_into("<H", mutable, at + offset, value)
            at = mutable.find(mark, at + 4)
    return bytes(mutable)


def _row(**fields: object) -> str:
    return json.dumps({"file_name": "a.wav", "transcription": "hello", **fields}) + "\n"


def odd_set(rng: random.Random) -> bytes:
    """Return a ZIP, or a file that claims to be one."""
    wav = ("a.wav", _recording("wav", "pcm_s16le", 1))
    good = _packed(("metadata.jsonl", _row()), wav)
    odd_rows = "".join(_row(**{rng.choice(("file_name", "transcription", "language", "t", "text")):
                               odd_json(rng)}) for _ in range(20))  # fmt: skip
    deep = '{"file_name": "a.wav", "text": "x", "t": ' + "[" * 100_000 + "]" * 100_000 + "}\n"
    makers: tuple[Callable[[], bytes], ...] = (
        lambda: damaged(good, rng),
        lambda: _patched(good, 8, 6, 1),  # encrypted
        lambda: _patched(good, 10, 8, rng.choice((9, 14, 93, 99))),  # method
        lambda: _patched(good, 16, 14, 0xBEEF),  # checksum
        lambda: _packed(("metadata.jsonl", odd_rows), wav),
        lambda: _packed(("metadata.jsonl", deep), wav),
        lambda: _packed(("metadata.jsonl", '{"file_name": "\\ud800.wav", "text": "\\udfff"}\n'), wav),
        lambda: _packed(("metadata.jsonl", _row(file_name="../../../etc/passwd")), wav),
        lambda: _packed(("metadata.csv", "file_name,transcription\na.wav," + "x" * 3_000_000), wav),
        lambda: _packed(("metadata.jsonl", _row(transcription="word " * 1_000_000)), wav),
        lambda: _packed(("metadata.jsonl", _row() * 5000), wav),
        lambda: _packed(("metadata.jsonl", "".join(_row(**{f"tag{n}": "x"}) for n in range(2000))), wav),
        lambda: _packed((rng.choice(("metadata.tsv", "x.csv", "METADATA.JSONL")), rng.choice(TEXTS)), wav),
        lambda: _packed(("metadata.jsonl", _row()), ("a.wav", bytes(90_000_000))),
        lambda: _packed(("metadata.jsonl", _row(file_name="a.flac")),
                        ("a.flac", _recording("flac", "flac", 3600, silent=True))),
        lambda: b"PK" + bytes(100),
    )  # fmt: skip
    return rng.choice(makers)()


async def odd_imports(attack: Attack) -> None:
    """Import an odd set into the test bench, in the app's folder."""
    async with attack.visitor("/testbench") as client:
        data = await asyncio.to_thread(odd_set, attack.rng)
        answer = await upload(client, _ZIP_UPLOADER, "set.zip", data)
        if answer.status < 300:
            with contextlib.suppress(LookupError, NoPage):
                button = client.page.one("button", "Store them in the test set")
                await client.run(id=button.id, trigger_value=True, timeout_s=30)


async def odd_files(attack: Attack) -> None:
    """Upload damaged recordings for transcription."""
    rng = attack.rng
    kinds = (("wav", "pcm_s16le"), ("flac", "flac"), ("ogg", "libopus"), ("mp4", "aac"))
    container, codec = rng.choice(kinds)
    data = damaged(_recording(container, codec, 2), rng)
    async with attack.visitor("/upload", model=MODEL) as client:
        answer = await upload(client, UPLOADER, rng.choice((f"a.{container}", *TEXTS))[:200], data)
        if answer.status < 300:
            with contextlib.suppress(NoPage):
                await client.until(lambda: client.page.has("button", "Again"), 10)


CASES: dict[str, Case] = {"odd imports": odd_imports, "odd files": odd_files}
