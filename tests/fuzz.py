"""Damaged and hostile input, made from a seed: ``python -m tests.fuzz decode --seconds 60``.

Each case runs in a process that may die. Anything but a result or one of our own errors is
counted: other exceptions, crashes, hanging, more than 1 GB of memory. The seed of a failed
case is printed: ``--only SEED`` repeats it.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import io
import multiprocessing
import random
import resource
import struct
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np

from asr_core.audio import SAMPLE_RATE_HZ
from asr_core.audio.decode import AudioFile
from asr_core.audio.timeline import MAX_INSERTED_SILENCE_S
from asr_core.engines.whisper.tokenizer import WhisperTokenizer
from asr_core.errors import AsrError
from asr_core.evaluation.archives import open_zip
from asr_core.evaluation.cases import parse_tags
from asr_core.evaluation.conditions import Condition
from asr_core.evaluation.layouts import read_listing
from asr_core.evaluation.manifests import ManifestEntry
from asr_core.evaluation.set_files import file_opener
from asr_core.full_context.time_range import RangeReader, TimeRange
from asr_core.models.ctranslate2_format import read_arrays, read_config
from asr_core.output.formats import parse_timestamp
from asr_core.settings import read_settings, use_secrets
from tests.support.damage import damage
from tests.support.recordings import EMPTY, bursts, recorded, with_edits

_BATCH = 50
_SLOW_S = 30
_MOST_BYTES = 1_000_000_000
_MOST_SOUND_S = 600.0  # in a damaged file of ours


def _recordings() -> list[bytes]:
    """Return a second of noise in each of the usual formats."""
    noise = np.random.default_rng(0).integers(-9999, 9999, (1, 16_000), np.int16)
    made = []
    for container, codec in (
        ("wav", "pcm_s16le"), ("flac", "flac"), ("mp3", "libmp3lame"), ("ogg", "libopus"),
        ("webm", "libopus"), ("mp4", "aac"), ("aiff", "pcm_s16be"), ("matroska", "pcm_f32le"),
        ("voc", "pcm_s16le"), ("wv", "wavpack"), ("avi", "pcm_s16le"),
        ("caf", "pcm_s16le"), ("w64", "pcm_s16le"), ("nut", "pcm_s16le"), ("tta", "tta"),
    ):  # fmt: skip
        file = io.BytesIO()
        rate = 48_000 if codec == "libopus" else 16_000
        with av.open(file, "w", format=container) as out:
            stream = out.add_stream(codec, rate=rate, layout="mono")
            resampler = av.AudioResampler(stream.format, "mono", rate, stream.frame_size or None)
            frame = av.AudioFrame.from_ndarray(noise, "s16", "mono")
            frame.sample_rate = 16_000
            for piece in [*resampler.resample(frame), *resampler.resample(None)]:
                out.mux(stream.encode(piece))
            out.mux(stream.encode(None))
        made.append(file.getvalue())
    return made + _odd_clocks(made) + _many_channels()


def _odd_clocks(whole: list[bytes]) -> list[bytes]:
    """Return files with late starts, gaps or restarts, in formats with time stamps."""
    second = bursts(1)
    made = [
        recorded(container, codec, [(1.0, second), (4.0, second)], picture=picture)
        for container, codec, picture in (
            ("mp4", "aac", (0, 2)), ("mov", "aac", None), ("matroska", "flac", (0, 2)),
            ("webm", "libopus", None), ("mpegts", "aac", (0, 2)), ("flv", "aac", (0, 2)),
            ("ogg", "libopus", None), ("asf", "wmav2", None),
        )
    ]  # fmt: skip
    paused = with_edits(recorded("mp4", "aac", [(0.0, second)]), (0.5, 0), (2.0, EMPTY), (0.5, 0.5))
    return [*made, paused] + [data + data for data in whole] + [data + data for data in made[4:]]


def _many_channels() -> list[bytes]:
    """Return files of many layouts and tracks; neighbouring channels are in opposite phase."""
    noise = np.random.default_rng(0).integers(-9999, 9999, (1, 16_000), np.int16)
    made = []
    for container, codec, layouts in (
        ("wav", "pcm_s16le", ["stereo"]), ("wav", "pcm_s16le", ["6 channels"]),
        ("flac", "flac", ["5.1(side)"]), ("mp4", "aac", ["7.1"]), ("matroska", "flac", ["quad"]),
        ("matroska", "flac", ["mono", "stereo"]), ("mov", "pcm_s16le", ["mono"] * 3),
        ("mpegts", "mp2", ["stereo", "stereo"]), ("matroska", "pcm_s16le", ["22.2", "mono"]),
    ):  # fmt: skip
        file = io.BytesIO()
        with av.open(file, "w", format=container) as out:
            streams = [out.add_stream(codec, rate=16_000, layout=layout) for layout in layouts]
            for stream in streams:
                n_channels = stream.layout.nb_channels
                signs = np.array([1, -1] * n_channels)[:n_channels, np.newaxis]
                data = np.ascontiguousarray((signs * noise).astype(np.int16).T.reshape(1, -1))
                whole = av.AudioFrame.from_ndarray(data, "s16", stream.layout.name)
                whole.sample_rate, whole.pts = 16_000, 0
                size = stream.frame_size or 1024
                fitting = av.AudioResampler(stream.format, stream.layout, 16_000, size)
                for frame in [*fitting.resample(whole), *fitting.resample(None)]:
                    out.mux(stream.encode(frame))
                out.mux(stream.encode(None))
        made.append(file.getvalue())
    return made


def _damaged(data: bytes, rng: random.Random) -> bytes:
    """Return changed, shortened or doubled bytes, mostly near the start, where headers are."""
    mutable = bytearray(data)
    for _ in range(rng.choice((1, 2, 4, 16, 64))):
        reach = rng.choice((64, 512, len(mutable)))
        at = rng.randrange(max(1, min(reach, len(mutable))))
        damage(mutable, at, rng)
    return bytes(mutable)


_SEEDS: dict[str, bytes] = {
    "metadata.csv": "file_name,transcription,accent\na.wav,Hallo «Welt»,Scots\n".encode(),
    "m.jsonl": b'{"audio_filepath": "a.wav", "text": "Hello", "duration": 1.5}\n',
    "m.tsv": b'path\tsentence\tlocale\na.mp3\t"Hello\ten-GB\nb.mp3\t"a ""b""\nc"\ten\n',
    "list.csv": 'sep=;\nFile Name;text\na.wav;"x; ""y""\nz"\nb.wav;«q»\n'.encode("utf-16"),
    "m.json": b'[{"audio": {"path": "a"}, "text": "x"},\n {"path": "b", "text": "y", "offset": 1e1}]',
    "lj.csv": b'LJ-1|"Dr. 1|"Doctor one\nLJ-2|no|no\n',
    "test.tsv": b"1\t1.wav\tA.\ta\ta |\t1600\tFEMALE\n",
    "d/wav.scp": b"r1 a.flac\nr2 flac -c -d -s b.flac |\nr3 rm -r x |\n",
    "d/segments": b"u1 r1 0.5 1.5\nu2 r2 1 -1\nu3 r3 0 1\n",
    "d/text": b"u1 one\nu2\nu3 three\n",
    "1/2/1-2.trans.txt": b"1-2-0000 GO\n1-2-0001 ON\n",
}


def _decode(rng: random.Random, files: list[bytes]) -> None:
    """Decode a damaged file: times increase from 0 and end with the file."""
    file, track = io.BytesIO(_damaged(rng.choice(files), rng)), rng.choice((None, None, 1, 2))
    audio = AudioFile(file, "fuzz", track=track, split_channels=rng.random() < 0.2)
    start_s = rng.choice((0.0, 0.0, 0.3, 2.0))
    pieces = RangeReader(audio, TimeRange(start_s, rng.choice((None, 3.0))))
    n, before_s, heard_s = 0, 0.0, 0.0
    for piece in pieces:
        assert np.isfinite(piece).all()
        assert pieces.position_s >= before_s, "a time goes back"
        before_s, n = pieces.position_s, n + piece.shape[-1]
        heard_s += np.count_nonzero(np.atleast_2d(piece).any(axis=0)) / SAMPLE_RATE_HZ
    assert pieces.position_s <= (audio.duration_s or 0.0) + 1e-6 or before_s == 3.0, (
        "outside the file"
    )
    assert abs(pieces.position_s - start_s - n / SAMPLE_RATE_HZ) < 1e-3, "the clock drifts"
    assert pieces.position_s <= MAX_INSERTED_SILENCE_S + heard_s + _MOST_SOUND_S, (
        "silence without end"
    )


def _manifest(rng: random.Random, _: list[bytes]) -> None:
    """Read a set with a damaged table: each row is read or reported."""
    name = rng.choice(list(_SEEDS))
    contents = {**_SEEDS, name: _damaged(_SEEDS[name], rng)}
    files = {path: functools.partial(io.BytesIO, data) for path, data in contents.items()}
    for entry in read_listing(files, name).entries:
        if isinstance(entry, ManifestEntry):
            assert 0 <= entry.time_range.start_s < (entry.time_range.end_s or np.inf)
            with contextlib.suppress(AsrError):
                file_opener(files, "d")(entry.path)


def _set() -> bytes:
    """Return a ZIP of two members, compressed and stored."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr("s/metadata.jsonl", '{"file_name": "a.bin", "text": "Hello"}\n' * 20)
        out.writestr("s/a.bin", bytes(range(256)) * 9, zipfile.ZIP_STORED)
        out.writestr("ü.bin", bytes(99))
    return file.getvalue()


def _archive(rng: random.Random, _: list[bytes]) -> None:
    """Open a ZIP damaged near its start or its end."""
    data = _damaged(_SET, rng) if rng.random() < 0.5 else _damaged(_SET[::-1], rng)[::-1]
    with open_zip(io.BytesIO(data)) as files:
        for read in files.values():
            with contextlib.suppress(AsrError):
                read()


_SET = _set()


def _model_bin() -> bytes:
    """Return two small arrays and an alias in CTranslate2's format."""
    text = lambda name: struct.pack("<H", len(name) + 1) + name + b"\0"  # noqa: E731
    array = struct.pack("<B2IBI", 2, 2, 3, 4, 12) + bytes(12)
    places = b"".join(text(name) + array for name in (b"encoder/a", b"decoder/b"))
    head = struct.pack("<I", 6) + text(b"WhisperSpec") + struct.pack("<II", 3, 2)
    return head + places + struct.pack("<I", 1) + text(b"alias") + text(b"decoder/b")


_MODEL = {
    "model.bin": _model_bin(),
    "config.json": b'{"alignment_heads": [[1, 0], [2, 0]], "lang_ids": [50259], "suppress_ids": [1]}',
    "tokenizer.json": b'{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}, "added_tokens": []}',
}


def _model(rng: random.Random, _: list[bytes]) -> None:
    """Read a damaged model directory; changed numbers alone are no error."""
    folder = _scratch()
    hurt = rng.choice(list(_MODEL))
    for name, content in _MODEL.items():
        (folder / name).write_bytes(_damaged(content, rng) if name == hurt else content)
    for read in (
        lambda: read_arrays(folder / "model.bin"),
        lambda: read_config(folder),
        lambda: WhisperTokenizer(folder, multilingual=True),
    ):
        with contextlib.suppress(AsrError):
            read()


@functools.cache
def _scratch() -> Path:
    """Return a folder in memory if possible: it is written thousands of times a second."""
    memory = Path("/dev/shm")
    return Path(tempfile.mkdtemp(dir=memory if memory.is_dir() else None))


def _text(rng: random.Random, _: list[bytes]) -> None:
    letters = "white:pitchnoise@-+.,=0123456789eInfNaN \n\x00é中:/\\"
    text = "".join(rng.choice(letters) for _ in range(rng.randrange(24)))
    for read in (Condition.parse, parse_tags, parse_timestamp):
        with contextlib.suppress(AsrError, ValueError):  # parse_timestamp's is a ValueError
            read(text)
    use_secrets(lambda: {"ASR_MAX_SPEAKERS": text, "ASR_MODELS": text, "ASR_LOG": text})
    read_settings()


TARGETS: dict[str, Callable[[random.Random, list[bytes]], None]] = {
    "decode": _decode,
    "manifest": _manifest,
    "archive": _archive,
    "model": _model,
    "text": _text,
}


def _run(target: str, seeds: range, connection: object) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (8 * _MOST_BYTES, 8 * _MOST_BYTES))
    files = _recordings() if target == "decode" else []
    for seed in seeds:
        connection.send(("begin", seed))  # type: ignore[attr-defined]
        try:
            TARGETS[target](random.Random(seed), files)
        except AsrError:
            pass
        except BaseException as error:
            connection.send(("failed", f"{seed}: {error!r}"))  # type: ignore[attr-defined]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    if peak > _MOST_BYTES:
        connection.send(("failed", f"{seeds}: {peak / 1e6:.0f} MB"))  # type: ignore[attr-defined]


def _watched(target: str, seeds: range) -> tuple[int, list[str]]:
    """Run ``seeds`` in one process; return how many ran and what went wrong."""
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(target, seeds, there))
    process.start()
    there.close()
    n_done, last, problems = 0, seeds.start, []
    while True:
        try:
            if not here.poll(_SLOW_S):
                problems.append(f"{last}: hangs")
                process.kill()
                break
            kind, what = here.recv()
        except EOFError:
            break
        if kind == "begin":
            n_done, last = n_done + 1, what
        else:
            problems.append(what)
    process.join()
    if process.exitcode:
        problems.append(f"{last}: the process died ({process.exitcode})")
    return n_done, problems


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", choices=list(TARGETS))
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int, help="one case again")
    options = parser.parse_args()
    if options.only is not None:
        TARGETS[options.target](random.Random(options.only), _recordings())
        return 0
    batch = _BATCH if options.target == "decode" else 200 * _BATCH
    deadline, first = time.monotonic() + options.seconds, options.seed * 1_000_000_000
    n_all, problems = 0, []
    while time.monotonic() < deadline:
        n_done, found = _watched(options.target, range(first, first + batch))
        n_all, first, problems = n_all + n_done, first + batch, problems + found
    print(f"{options.target}: {n_all} cases, {len(problems)} problems")
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    raise SystemExit(main())
