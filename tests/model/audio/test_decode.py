from __future__ import annotations

import io
import struct
import subprocess
import sys
import tracemalloc
from pathlib import Path

import av
import numpy as np
import pytest

from asr_core.audio.decode import AudioFile, decode
from asr_core.audio.encode import to_flac
from asr_core.audio.pcm import clip_to_int16
from asr_core.errors import AudioError
from asr_core.workarounds.ffmpeg_limits import limit_memory

FORMATS = [
    ("wav", "pcm_s16le", "s16", 44_100), ("flac", "flac", "s16", 48_000),
    ("mp3", "libmp3lame", "fltp", 44_100), ("mp4", "aac", "fltp", 48_000),
    ("ogg", "libopus", "s16", 48_000), ("webm", "libopus", "s16", 48_000),
    ("asf", "wmav2", "fltp", 44_100),
]  # fmt: skip


def encode(samples: np.ndarray, container: str, codec: str, kind: str, rate: int) -> bytes:
    """Encode ``samples`` at 16 kHz as a file of this format."""
    file = io.BytesIO()
    resampler = av.AudioResampler(kind, "mono", rate)
    with av.open(file, "w", format=container) as out:
        stream = out.add_stream(codec, rate=rate, layout="mono")
        stream.bit_rate = 128_000
        fifo = av.AudioFifo()
        for at in range(0, len(samples), 16_000):
            frame = av.AudioFrame.from_ndarray(
                samples[None, at : at + 16_000].copy(), format="flt", layout="mono"
            )
            frame.sample_rate = 16_000
            for part in resampler.resample(frame):
                part.pts = None
                fifo.write(part)
        for part in resampler.resample(None):
            part.pts = None
            fifo.write(part)
        size = stream.codec_context.frame_size or 1024
        n = 0
        while frame := fifo.read(size, partial=True):
            frame.pts, n = n, n + frame.samples
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return file.getvalue()


@pytest.mark.parametrize(("container", "codec", "kind", "rate"), FORMATS)
def test_every_format_gives_the_original_samples(
    beckett: np.ndarray, container: str, codec: str, kind: str, rate: int
) -> None:
    out = decode(io.BytesIO(encode(beckett, container, codec, kind, rate)))
    assert abs(len(out) - len(beckett)) < 0.15 * 16_000
    loudness = np.sqrt(np.mean(out**2)) / np.sqrt(np.mean(beckett**2))
    assert loudness == pytest.approx(1, abs=0.1)  # the level is not normalised


def test_a_kept_recording_can_be_read_again(beckett: np.ndarray) -> None:
    data = to_flac(clip_to_int16(beckett))
    assert np.abs(decode(io.BytesIO(data)) - beckett).max() < 1e-3


def test_a_truncated_file_is_read_to_its_end_and_reported(beckett: np.ndarray) -> None:
    whole = encode(beckett, "flac", "flac", "s16", 44_100)
    audio = AudioFile(io.BytesIO(whole[: len(whole) // 2]), "talk.flac")
    n = sum(len(piece) for piece in audio)
    assert n == pytest.approx(len(beckett) / 2, rel=0.3)
    assert len(audio.notes) == 1
    assert "talk.flac" in audio.notes[0]


def test_a_damaged_mp3_is_read_where_possible_and_reported(beckett: np.ndarray) -> None:
    whole = bytearray(encode(beckett, "mp3", "libmp3lame", "fltp", 44_100))
    middle = len(whole) // 2
    whole[middle : middle + 3000] = np.random.default_rng(1).bytes(3000)
    audio = AudioFile(io.BytesIO(bytes(whole)), "talk.mp3")
    n = sum(len(piece) for piece in audio)
    assert n > 0.8 * len(beckett)


@pytest.mark.parametrize(
    "data", [b"", b"only text, renamed to .wav", b"RIFF\0\0\0\0WAVE", bytes(5000)]
)
def test_a_file_without_audio_gets_one_sentence(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a name with spaces 🎤.wav"
    path.write_bytes(data)
    with pytest.raises(AudioError, match=r"a name with spaces 🎤\.wav .* no .*") as caught:
        decode(path)
    assert str(caught.value).count("\n") == 0


def test_a_missing_file_and_a_folder_get_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="does not exist"):
        decode(tmp_path / "nothing.wav")
    with pytest.raises(AudioError):
        decode(tmp_path)


def test_a_video_without_audio_is_refused() -> None:
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as out:
        stream = out.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 64
        for _ in range(5):
            out.mux(stream.encode(av.VideoFrame(64, 64, "yuv420p")))
        out.mux(stream.encode(None))
    with pytest.raises(AudioError, match="no sound track"):
        decode(io.BytesIO(file.getvalue()), "film.mp4")


def test_memory_does_not_grow_with_the_file(beckett: np.ndarray) -> None:
    data = to_flac(clip_to_int16(np.tile(beckett, 60)))  # ten minutes
    tracemalloc.start()
    for _ in AudioFile(io.BytesIO(data)):
        pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10e6  # the whole would be 38 MB


def test_eight_channels_do_not_crash() -> None:
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as out:
        stream = out.add_stream("aac", rate=48_000, layout="7.1")
        for i in range(10):
            packed = np.full((1, 8 * 1024), 0.25, np.float32)
            frame = av.AudioFrame.from_ndarray(packed, format="flt", layout="7.1")
            frame.sample_rate, frame.pts = 48_000, 1024 * i
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    samples = decode(io.BytesIO(file.getvalue()))
    assert np.median(samples) == pytest.approx(0.25, abs=0.05)


def _wav(rate_hz: int, n_channels: int) -> io.BytesIO:
    """Return a WAV file with this header and some samples."""
    data = b"\x10\x00" * 4000
    block = 2 * n_channels
    header = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + len(data), b"WAVE", b"fmt ", 16, 1,
                         n_channels, rate_hz, rate_hz * block % 2**32, block % 2**16, 16,
                         b"data", len(data))  # fmt: skip
    return io.BytesIO(header + data)


_PEAK_OF_A_LIE = """
import io, resource, struct
from asr_core.audio.decode import AudioFile
from asr_core.errors import AudioError
header = b"RIFF" + struct.pack("<I", 36) + b"WAVEfmt " + struct.pack("<I", 16)
header += struct.pack("<HHIIHH", 1, 1, 16000, 32000, 2, 16)
header += b"LIST" + struct.pack("<I", 0x7FFFFFFF) + b"INFOISFT" + struct.pack("<I", 0x70000000)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    list(AudioFile(io.BytesIO(header + bytes(2000)), "lie.wav"))
except AudioError:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_a_header_with_a_false_size_takes_no_memory() -> None:
    """Found by ``tests.fuzz decode``, seed 1000628692."""
    assert limit_memory()
    run = subprocess.run(
        [sys.executable, "-c", _PEAK_OF_A_LIE], capture_output=True, check=True, text=True
    )
    assert int(run.stdout) < 100_000  # kilobytes


def test_samples_of_64_bits_get_one_sentence(beckett: np.ndarray) -> None:
    """Found by ``tests.fuzz decode``, seed 1000385258."""
    wide = (beckett[:16_000] * 2**62).astype(np.int64).tobytes()
    header = b"RIFF" + struct.pack("<I", 36 + len(wide)) + b"WAVEfmt " + struct.pack("<I", 16)
    header += struct.pack("<HHIIHH", 1, 1, 16_000, 128_000, 8, 64)
    file = io.BytesIO(header + b"data" + struct.pack("<I", len(wide)) + wide)
    with pytest.raises(AudioError, match="holds no sound that can be read"):
        decode(file, "wide.wav")


@pytest.mark.parametrize("rate_hz", [0, 1, 7, 900, 2_000_000, 2**31 - 1, 2**32 - 1])
def test_an_impossible_sample_rate_is_refused(rate_hz: int) -> None:
    with pytest.raises(AudioError):
        decode(_wav(rate_hz, 1))


@pytest.mark.parametrize("n_channels", [0, 1, 7, 8, 64, 255, 65_535])
def test_any_number_of_channels_is_read_or_refused(n_channels: int) -> None:
    try:
        samples = decode(_wav(16_000, n_channels))
    except AudioError:
        return
    assert np.isfinite(samples).all()


class _CountingReader(io.BytesIO):
    """A file that counts how much of it is read."""

    n_read = 0

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        self.n_read += len(data)
        return data


def test_a_file_that_is_too_long_is_refused_while_it_is_read(beckett: np.ndarray) -> None:
    """Whatever its header says; the rest is never decoded."""
    data = to_flac(clip_to_int16(np.tile(beckett, 60)))
    file = _CountingReader(data)
    with pytest.raises(AudioError, match="talk is longer than 20 s"):
        decode(file, "talk", max_duration_s=20.0)
    assert file.n_read < len(data) / 4
    assert len(decode(io.BytesIO(data), max_duration_s=601.0)) == 60 * len(beckett)


def test_a_name_of_any_length_and_characters_makes_one_short_sentence() -> None:
    with pytest.raises(AudioError) as caught:
        decode(io.BytesIO(b"no sound"), "a\x00\n\ud800" + "x" * 100_000)
    assert len(str(caught.value)) < 400
    assert str(caught.value).isprintable()
