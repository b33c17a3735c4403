"""Audio tracks of a file, and the choice of one with speech."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import av
import av.error
import numpy as np
from av.container import InputContainer
from av.stream import Disposition
from numpy.typing import NDArray

from asr_core.audio import SAMPLE_RATE_HZ
from asr_core.audio.resample import RATES_HZ, Resampler
from asr_core.audio.vad import FRAME_SAMPLES, SileroVad
from asr_core.text.plain_text import shorten

__all__ = ["AudioTrack", "find_spoken_track", "list_tracks"]

_PASSAGE_POSITIONS = (0.0, 0.1, 0.25, 0.4, 0.55, 0.7, 0.85)
"""Positions of the passages that are checked for speech, as fractions of the duration."""

_PASSAGE_S = 10.0
_MAX_PACKETS = 20_000
"""Limit for a passage, all streams together: its time stamps may never reach the end."""

_MAX_TRACKS = 16
"""Tracks that are checked for speech."""

_SPEECH_THRESHOLD = 0.5
"""Silero's default; the lower one for transcription takes more music for speech."""

_MIN_SPEECH_SHARE = 0.1
"""Share of the most talkative track's speech with which the default track is kept: a film has
less speech than another recording of the same time."""

_MIN_TRACK_SPEECH_S = 0.5

_MAX_TITLE_CHARS = 60
_PLACEHOLDER_TITLES = ("", "SoundHandler", "Sound Media Handler", "und")

_COMMENTARY = Disposition.comment | Disposition.visual_impaired | Disposition.hearing_impaired


@dataclass(frozen=True)
class AudioTrack:
    """Audio track of a file.

    Attributes:
        number: among the audio tracks, from 1.
        title: its title in the file, or its language; may be empty.
        is_default: players start with it.
    """

    number: int
    title: str
    is_default: bool

    @property
    def name(self) -> str:
        return f"track {self.number}" + (f" ({self.title})" if self.title else "")


def list_tracks(container: InputContainer) -> tuple[AudioTrack, ...]:
    """Return the audio tracks of an open file; exactly one of them is the default."""
    streams = container.streams.audio
    by_preference = sorted(range(len(streams)), key=lambda i: _preference(streams[i]))
    return tuple(
        AudioTrack(i + 1, _title(stream), i == by_preference[0]) for i, stream in enumerate(streams)
    )


def _preference(stream: av.AudioStream) -> tuple[bool, bool]:
    return not stream.disposition & Disposition.default, _is_commentary(stream)


def _is_commentary(stream: av.AudioStream) -> bool:
    """Return True for speech about the picture, such as a director's commentary."""
    is_marked = bool(stream.disposition & _COMMENTARY)
    return is_marked or "comment" in stream.metadata.get("title", "").lower()


def _title(stream: av.AudioStream) -> str:
    named = (stream.metadata.get(key, "").strip() for key in ("title", "handler_name", "language"))
    return shorten(
        next((name for name in named if name not in _PLACEHOLDER_TITLES), ""), _MAX_TITLE_CHARS
    )


def find_spoken_track(container: InputContainer) -> int:
    """Return the index of the track to transcribe: the default one, or the one with most speech.

    The default track wins unless hardly anybody speaks in it.
    Decodes a few passages and leaves the container at any position; what cannot be decoded
    counts as silence.
    """
    tracks = list_tracks(container)
    default = next(i for i, track in enumerate(tracks) if track.is_default)
    candidates = [default, *(i for i in range(len(tracks)) if i != default)][:_MAX_TRACKS]
    speech_s = dict.fromkeys(candidates, 0.0)
    for at_s in _passage_times(container):
        for i, samples in _decode_passage(container, candidates, at_s).items():
            speech_s[i] += _speech_s(samples)
    with_speech = [i for i in candidates if speech_s[i] >= _MIN_TRACK_SPEECH_S]
    main = [i for i in with_speech if not _is_commentary(container.streams.audio[i])]
    best = max(main or with_speech or [default], key=lambda i: speech_s[i])
    return default if speech_s[default] >= _MIN_SPEECH_SHARE * speech_s[best] else best


def _passage_times(container: InputContainer) -> Sequence[float]:
    seconds = (container.duration or 0) / 1e6
    consecutive = [i * _PASSAGE_S for i in range(len(_PASSAGE_POSITIONS))]
    if seconds > len(_PASSAGE_POSITIONS) * _PASSAGE_S:
        return [share * seconds for share in _PASSAGE_POSITIONS]
    return [at_s for at_s in consecutive if at_s == 0 or not seconds or at_s < seconds]


def _decode_passage(
    container: InputContainer, tracks: Sequence[int], at_s: float
) -> dict[int, NDArray[np.float32]]:
    """Return some seconds of each track, (n_samples,) float32 at 16 kHz."""
    streams = container.streams.audio
    decoders = {streams[i].index: _PassageDecoder(i) for i in tracks if streams[i].codec_context}
    start_s = (container.start_time or 0) / 1e6 + at_s
    try:
        container.seek(int(start_s * 1e6))
        for packet in _packets_until(container, start_s + _PASSAGE_S):
            if packet.stream.index in decoders:
                decoders[packet.stream.index].add(packet)
            if all(decoder.is_full for decoder in decoders.values()):
                break
    except (av.error.FFmpegError, OSError, ValueError, MemoryError):
        pass
    except IndexError:  # PyAV 18.1, of a stream that begins within the file
        pass
    return {decoder.track: decoder.samples for decoder in decoders.values()}


def _packets_until(container: InputContainer, until_s: float) -> Iterator[av.Packet[Any]]:
    for n, packet in enumerate(container.demux()):
        if n > _MAX_PACKETS:
            return
        at_s = packet.pts * packet.time_base if packet.pts is not None else 0
        if at_s > until_s:
            return
        yield packet


class _PassageDecoder:
    """Decoder of one track's samples of a passage."""

    def __init__(self, track: int) -> None:
        self.track = track
        self._resampler = Resampler()
        self._blocks: list[NDArray[np.float32]] = [np.zeros(0, np.float32)]
        self._n_samples = 0

    @property
    def is_full(self) -> bool:
        return self._n_samples >= _PASSAGE_S * SAMPLE_RATE_HZ

    @property
    def samples(self) -> NDArray[np.float32]:
        return np.concatenate(self._blocks)

    def add(self, packet: av.Packet[Any]) -> None:
        """Decode a packet, unless the passage is complete."""
        if self.is_full:
            return
        try:
            frames = packet.decode()
        except av.error.InvalidDataError:
            return
        for frame in frames:
            if isinstance(frame, av.AudioFrame) and frame.sample_rate in RATES_HZ:
                self._blocks.append(self._resampler.push(frame))
                self._n_samples += len(self._blocks[-1])


def _speech_s(samples: NDArray[np.float32]) -> float:
    is_speech = SileroVad(reset_on_silence=True).push(samples) >= _SPEECH_THRESHOLD
    return float(np.count_nonzero(is_speech)) * FRAME_SAMPLES / SAMPLE_RATE_HZ
