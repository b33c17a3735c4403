from __future__ import annotations

import io
import struct

import pytest

from asr_core.audio.concatenation import find_sections
from asr_core.audio.containers import Reader
from asr_core.audio.sections import FileSection
from asr_core.errors import Cancelled
from tests.support.recordings import bursts, recorded

OGG = recorded("ogg", "libopus", [(0.0, bursts(1))])
WAV = recorded("wav", "pcm_s16le", [(0.0, bursts(1, 16_000))], rate=16_000)


def parts(data: bytes) -> list[FileSection]:
    return find_sections(io.BytesIO(data), lambda: None)


@pytest.mark.parametrize("data", [b"", b"fLaC", b"RIFF", b"RIFF\0\0\0\0AVI data\1\0\0\0", WAV, OGG])
def test_most_files_are_one_part(data: bytes) -> None:
    assert parts(data) == [FileSection()]


@pytest.mark.parametrize("n_read", [1, 7, 60, 100, 4096, 10**6])
def test_a_following_file_is_noticed_wherever_reads_end(n_read: int) -> None:
    """A format that does not tell its length is not searched before it is read."""
    header = b"fLaC\0\0\0\x22"
    first, second = header + b"fLaC" * 50, header + bytes(100)
    file = io.BytesIO(first + second)
    [section] = find_sections(file, lambda: None)
    reader = Reader(file, "", lambda: None, section)
    assert b"".join(iter(lambda: reader.read(n_read), b"")) == first
    assert reader.end == len(first)
    assert reader.seek(0) == 0
    assert reader.read(10**6) == first


@pytest.mark.parametrize("data", [OGG, WAV])
def test_each_of_several_concatenated_files_is_a_part(data: bytes) -> None:
    n = len(data)
    assert parts(data * 3) == [FileSection(0, n), FileSection(n, 2 * n), FileSection(2 * n, 3 * n)]


def test_missing_data_of_the_last_part_is_reported() -> None:
    assert parts((WAV * 2)[:-1000])[-1].missing_bytes == 1000
    assert parts((OGG * 2)[:-10])[-1].is_truncated


def test_a_size_that_contradicts_the_files_own_is_ignored() -> None:
    at = WAV.index(b"data") + 4
    wrong = WAV[:at] + struct.pack("<I", 10**7) + WAV[at + 4 :]
    assert parts(wrong) == [FileSection()]
    right = wrong[:4] + struct.pack("<I", 10**7 + at - 4) + wrong[8:]
    assert parts(right)[0].missing_bytes == 10**7 + at + 4 - len(WAV)


def test_large_files_give_their_size_in_64_bits() -> None:
    at = WAV.index(b"data") + 4
    long_size = struct.pack("<4sIQQQI", b"ds64", 28, 0, 5 * 10**9, 0, 0)
    data = b"RF64" + b"\xff" * 4 + b"WAVE" + long_size + WAV[12:at] + b"\xff" * 4 + WAV[at + 4 :]
    n_audio_bytes = len(WAV) - at - 4
    assert parts(data)[0].missing_bytes == 5 * 10**9 - n_audio_bytes


@pytest.mark.parametrize(
    "data",
    [
        (b"OggS\0\0" + bytes(21)) * 500_000,
        (b"OggS\0\2" + bytes(21) + b"OggS\0\0" + bytes(21)) * 250_000,
        b"RIFF\0\0\0\0WAVE" + b"LIST\0\0\0\0" * 2_000_000,
        (b"RIFF\0\0\0\0WAVEdata\1\0\0\0..") * 500_000,
        b"fLaC\0\0\0\x22" * 500_000,
        b"FORM\0\0\0\4AIFF" * 500_000,
        b"Creative Voice File\x1a\x1a\0" + bytes(2_000_000),
        (b"wvpk" + bytes(10)) * 500_000,
    ],
)
def test_scanning_a_file_of_tiny_blocks_is_bounded(data: bytes) -> None:
    n_asked = 0

    def count() -> None:
        nonlocal n_asked
        n_asked += 1

    assert len(find_sections(io.BytesIO(data), count)) <= 1000
    assert n_asked <= 1_000_001


def test_cancelling_takes_effect_between_blocks() -> None:
    def stop() -> None:
        raise Cancelled("enough")

    with pytest.raises(Cancelled):
        find_sections(io.BytesIO(OGG), stop)
