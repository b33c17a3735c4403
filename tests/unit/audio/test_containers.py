"""No file makes the process open another one, as seen by Linux's inotify."""

from __future__ import annotations

import contextlib
import ctypes
import io
import os
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import av.error
import numpy as np
import pytest

from asr_core.audio import containers
from asr_core.audio.containers import CONTAINER_FORMATS, Reader, file_extension, open_container
from asr_core.audio.decode import AudioFile, decode
from asr_core.audio.sections import FileSection
from asr_core.errors import AudioError, Cancelled
from tests.support.recordings import bursts, recorded

_OPENED = 0x20  # IN_OPEN
_NOT_BLOCKING = 0o4000


@pytest.fixture
def secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A private recording in the working folder; check afterwards that nothing opened it."""
    folder = tmp_path / "recordings"
    folder.mkdir()
    path = folder / "board.wav"
    path.write_bytes(recorded("wav", "pcm_s16le", [(0.0, bursts(1, 16_000))], rate=16_000))
    monkeypatch.chdir(tmp_path)
    with opened_in(folder) as opened:
        yield path
        assert opened() == []


class opened_in:  # noqa: N801 - used as a function
    """Names of the files opened in a folder, also by C libraries."""

    def __init__(self, folder: Path) -> None:
        if sys.platform != "linux":
            pytest.skip("only Linux tells which files are opened")
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._watch = self._libc.inotify_init1(_NOT_BLOCKING)
        assert self._libc.inotify_add_watch(self._watch, os.fsencode(folder), _OPENED) > 0

    def __enter__(self) -> Callable[[], list[str]]:
        return self._names

    def __exit__(self, *_: object) -> None:
        os.close(self._watch)

    def _names(self) -> list[str]:
        try:
            events = os.read(self._watch, 1 << 16)
        except BlockingIOError:
            return []
        names = []
        while events:
            length = struct.unpack_from("iIII", events)[3]
            names.append(events[16 : 16 + length].rstrip(b"\0").decode())
            events = events[16 + length :]
        return [name for name in names if name]


def test_inotify_sees_what_ffmpeg_opens(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(recorded("wav", "pcm_s16le", [(0.0, bursts(1, 16_000))], rate=16_000))
    with opened_in(tmp_path) as opened:
        av.open(str(path)).close()
        assert "a.wav" in opened()


def hostile(path: Path, port: int) -> dict[str, str]:
    """Return files of every format that name other files or a port, as an upload might."""
    url = f"http://127.0.0.1:{port}/a.wav"
    here = path.relative_to(Path.cwd())
    return {
        "ffconcat": f"ffconcat version 1.0\nfile {here}\n",
        "ffconcat of an address": f"ffconcat version 1.0\nfile '{url}'\n",
        "hls": f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{path}\n#EXT-X-ENDLIST\n",
        "hls of an address": f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{url}\n",
        "hls of protocols": f"#EXTM3U\n#EXTINF:9,\nconcat:{path}|file:{path}\nsubfile,,:{path}\n",
        "dash": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><Period>'
        f"<AdaptationSet mimeType='audio/mp4'><Representation><BaseURL>{path}</BaseURL>"
        "</Representation></AdaptationSet></Period></MPD>",
        "imf": '<?xml version="1.0"?><CompositionPlaylist xmlns="http://www.smpte-ra.org/schemas/'
        f'2067-3/2016"><Id>urn:uuid:{path}</Id></CompositionPlaylist>',
        "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=a\nc=IN IP4 127.0.0.1\nt=0 0\n"
        f"m=audio {port} RTP/AVP 0\n",
        "sdp over TCP": f"v=0\ns=a\nc=IN IP4 127.0.0.1\nm=audio {port} TCP/RTP/AVP 0\n",
        "rtsp": f"RTSP/1.0 302 Moved\r\nLocation: rtsp://127.0.0.1:{port}/a\r\n\r\n",
        "asx": f'<asx version="3.0"><entry><ref href="{url}"/></entry></asx>',
        "pls": f"[playlist]\nFile1={path}\nNumberOfEntries=1\n",
        "vobsub": f"# VobSub index file, v7 (do not modify this line!)\n# {path}\nid: en, index: 0\n",
        "graph": f"amovie={path}",
    }


@pytest.fixture
def port() -> Iterator[int]:
    """A port; check afterwards that nobody connected or sent packets to it."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.setblocking(False)
        number = listener.getsockname()[1]
        yield number
        with pytest.raises(BlockingIOError):
            listener.accept()


@pytest.mark.parametrize("extension", ["mp3", "wav", "sdp", "m3u8", "ffconcat", "idx", "jpg"])
def test_a_file_that_names_others_is_refused_whatever_its_extension(
    extension: str, secret: Path, port: int
) -> None:
    for kind, text in hostile(secret, port).items():
        began = time.monotonic()
        with pytest.raises(AudioError, match="holds no sound that can be read"):
            decode(io.BytesIO(text.encode()), f"{kind}.{extension}")
        Path(f"upload.{extension}").write_text(text)
        with pytest.raises(AudioError, match="holds no sound that can be read"):
            decode(f"upload.{extension}")
        assert time.monotonic() - began < 10  # it does not wait for packets


def demuxers() -> list[str]:
    names = []
    for name in sorted(av.formats_available):
        try:
            av.ContainerFormat(name, "r")
        except ValueError:
            continue
        names.append(name)
    assert len(names) > 300
    return names


def test_only_listed_demuxers_are_used(secret: Path, port: int) -> None:
    """Every demuxer of the installed FFmpeg is requested by name, with input made for it."""
    allowed = set(CONTAINER_FORMATS)
    texts = [text.encode() for text in hostile(secret, port).values()]
    for name in demuxers():
        if allowed & set(name.split(",")) or allowed & set(
            av.ContainerFormat(name).name.split(",")
        ):
            continue
        for data in (*texts, secret.name.encode(), bytes(4096)):
            reader = Reader(io.BytesIO(data), "", lambda: None)
            with pytest.raises((av.error.FFmpegError, OSError, ValueError)):
                av.open(reader, format=name, container_options=containers._OPTIONS).close()


def test_no_listed_demuxer_is_a_device_or_opens_files_named_in_a_file(
    secret: Path, port: int
) -> None:
    asked: list[str] = []
    texts = [text.encode() for text in hostile(secret, port).values()]
    for name in CONTAINER_FORMATS:
        assert not av.ContainerFormat(name, "r").no_file
        for data in (*texts, bytes(secret), b"\xff" * 4096, bytes(4096)):
            reader = Reader(io.BytesIO(data), f".{name}", lambda: None)
            with contextlib.suppress(av.error.FFmpegError, OSError, ValueError, MemoryError):
                found = av.open(
                    reader, format=name, io_open=lambda url, *_: asked.append(url),
                    container_options=containers._OPTIONS,
                )  # fmt: skip
                list(found.demux())
    assert asked == []


@pytest.mark.parametrize("name", ["concat", "hls", "sdp", "image2", "vobsub", "webm_dash_manifest"])
def test_even_a_demuxer_that_opens_other_files_cannot(
    name: str, secret: Path, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second barrier: neither FFmpeg's protocols nor our own reader reach other files."""
    options = {**containers._OPTIONS, "format_whitelist": f"{name},wav", "safe": "0"}
    monkeypatch.setattr(containers, "_OPTIONS", options)
    for text in hostile(secret, port).values():
        reader = Reader(io.BytesIO(text.encode()), f".{name}", lambda: None)
        with pytest.raises((av.error.FFmpegError, OSError, ValueError)):
            list(open_container(reader).demux())


def test_every_name_is_opened_as_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = recorded("wav", "pcm_s16le", [(0.0, bursts(1, 16_000))], rate=16_000)
    monkeypatch.chdir(tmp_path)
    for name in ("Interview: Anna.wav", "http:a.wav", "concat:a|b.wav", "a%03d.wav", "-", "data:,"):
        Path(name).write_bytes(data)
        assert len(decode(name)) == 16_000
        assert len(decode(Path(name))) == 16_000


@pytest.mark.parametrize(
    ("name", "extension"),
    [("a.b.MP3", ".MP3"), ("a", ""), ("a.%03d", ""), ("a.", ""), ("a.ü", ""), ("/x.d/a", "")],
)
def test_ffmpeg_learns_only_the_extension_of_a_name(name: str, extension: str) -> None:
    assert file_extension(name) == extension


def test_a_part_of_a_file_is_read_as_a_file() -> None:
    reader = Reader(io.BytesIO(b"0123456789"), "", lambda: None, FileSection(2, 6))
    assert (reader.tell(), reader.read(3), reader.read(3), reader.read(3)) == (0, b"234", b"5", b"")
    assert (reader.seek(0, os.SEEK_END), reader.read(1)) == (4, b"")
    assert (reader.seek(1), reader.read(9)) == (1, b"345")
    assert (reader.seek(-1, os.SEEK_END), reader.read(9)) == (3, b"5")


@pytest.mark.parametrize("after", [1, 2, 3, 5, 8])
def test_cancelling_takes_effect_while_a_file_is_opened_and_read(after: int) -> None:
    data = recorded("matroska", "flac", [(0.0, bursts(30)), (9000.0, bursts(1))])
    asked = 0

    def stop() -> None:
        nonlocal asked
        asked += 1
        if asked >= after:
            raise Cancelled("talk.mkv was cancelled.")

    with pytest.raises(Cancelled):
        list(AudioFile(io.BytesIO(data), "talk.mkv", check_cancelled=stop))
    assert asked == after  # not called again: it took effect at once


def test_cancelling_takes_effect_in_a_gap_of_hours() -> None:
    data = recorded("matroska", "flac", [(0.0, bursts(1)), (30_000.0, bursts(1))])
    is_cancelled = False

    def stop() -> None:
        if is_cancelled:
            raise Cancelled("talk.mkv was cancelled.")

    pieces = iter(AudioFile(io.BytesIO(data), "talk.mkv", check_cancelled=stop))
    assert np.any(next(pieces))
    next(pieces)
    is_cancelled = True
    with pytest.raises(Cancelled):
        list(pieces)
