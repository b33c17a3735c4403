from __future__ import annotations

import io
import struct

import pytest

from asr_core.audio.parts import Part, parts_of
from asr_core.errors import Cancelled
from tests.audio.recordings import bursts, recorded

OGG = recorded("ogg", "libopus", [(0.0, bursts(1))])
WAV = recorded("wav", "pcm_s16le", [(0.0, bursts(1, 16_000))], rate=16_000)


def parts(data: bytes) -> list[Part]:
    return parts_of(io.BytesIO(data), lambda: None)


@pytest.mark.parametrize("data", [b"", b"fLaC", b"RIFF", b"RIFF\0\0\0\0AVI data\1\0\0\0", WAV, OGG])
def test_most_files_are_one_part(data: bytes) -> None:
    assert parts(data) == [Part()]


@pytest.mark.parametrize("data", [OGG, WAV])
def test_each_file_of_several_put_together_is_a_part(data: bytes) -> None:
    n = len(data)
    assert parts(data * 3) == [Part(0, n), Part(n, 2 * n), Part(2 * n, 3 * n)]


def test_what_is_missing_of_the_last_part_is_told() -> None:
    assert parts((WAV * 2)[:-1000])[-1].missing_bytes == 1000
    assert parts((OGG * 2)[:-10])[-1].is_cut


def test_a_size_that_contradicts_the_file_s_own_is_not_believed() -> None:
    at = WAV.index(b"data") + 4
    wrong = WAV[:at] + struct.pack("<I", 10**7) + WAV[at + 4 :]
    assert parts(wrong) == [Part()]
    right = wrong[:4] + struct.pack("<I", 10**7 + at - 4) + wrong[8:]
    assert parts(right)[0].missing_bytes == 10**7 + at + 4 - len(WAV)


def test_large_files_tell_their_size_in_64_bits() -> None:
    at = WAV.index(b"data") + 4
    long_size = struct.pack("<4sIQQQI", b"ds64", 28, 0, 5 * 10**9, 0, 0)
    data = b"RF64" + b"\xff" * 4 + b"WAVE" + long_size + WAV[12:at] + b"\xff" * 4 + WAV[at + 4 :]
    sound = len(WAV) - at - 4
    assert parts(data)[0].missing_bytes == 5 * 10**9 - sound


@pytest.mark.parametrize(
    "data",
    [
        (b"OggS\0\0" + bytes(21)) * 500_000,
        (b"OggS\0\2" + bytes(21) + b"OggS\0\0" + bytes(21)) * 250_000,
        b"RIFF\0\0\0\0WAVE" + b"LIST\0\0\0\0" * 2_000_000,
        (b"RIFF\0\0\0\0WAVEdata\1\0\0\0..") * 500_000,
    ],
)
def test_a_file_of_tiny_blocks_is_not_looked_at_for_ever(data: bytes) -> None:
    n_asked = 0

    def count() -> None:
        nonlocal n_asked
        n_asked += 1

    assert len(parts_of(io.BytesIO(data), count)) <= 1000
    assert n_asked <= 1_000_001


def test_cancel_is_heard_between_blocks() -> None:
    def stop() -> None:
        raise Cancelled("enough")

    with pytest.raises(Cancelled):
        parts_of(io.BytesIO(OGG), stop)
