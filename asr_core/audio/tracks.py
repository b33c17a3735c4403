"""The sound tracks of a file, and in which of them somebody speaks."""

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
from asr_core.plain_text import shortened

__all__ = ["Track", "spoken_track", "tracks_of"]

_PASSAGES = (0.0, 0.1, 0.25, 0.4, 0.55, 0.7, 0.85)
"""Where it is listened for speech, as shares of the length."""

_PASSAGE_S = 10.0
_MOST_PACKETS = 20_000
"""Of all streams, in a passage: time stamps may never come to its end."""

_MOST_TRACKS = 16
"""Are listened to."""

_VOICE = 0.5
"""Silero's own threshold: that of finding all speech takes more music for it."""

_ENOUGH = 0.1
"""The track that the file prefers is taken if it has so much of the speech of that which has
most: in a film there is less than in another recording of the same time."""

_LEAST_S = 0.5

_LONGEST_TITLE = 60
_NO_TITLES = ("", "SoundHandler", "Sound Media Handler", "und")

_SAID_BESIDE = Disposition.comment | Disposition.visual_impaired | Disposition.hearing_impaired


@dataclass(frozen=True)
class Track:
    """A sound track.

    Attributes:
        number: among the sound tracks, from 1.
        title: what the file calls it, or its language; may be empty.
        is_preferred: the file has players begin with it.
    """

    number: int
    title: str
    is_preferred: bool

    @property
    def name(self) -> str:
        return f"track {self.number}" + (f" ({self.title})" if self.title else "")


def tracks_of(container: InputContainer) -> tuple[Track, ...]:
    """Return the sound tracks of an open file; one of them is preferred, if there are any."""
    streams = container.streams.audio
    by_preference = sorted(range(len(streams)), key=lambda i: _order(streams[i]))
    return tuple(
        Track(i + 1, _title(stream), i == by_preference[0]) for i, stream in enumerate(streams)
    )


def _order(stream: av.AudioStream) -> tuple[bool, bool]:
    return not stream.disposition & Disposition.default, _is_beside(stream)


def _is_beside(stream: av.AudioStream) -> bool:
    """Whether it is said about what the file shows, such as a director's comments."""
    is_marked = bool(stream.disposition & _SAID_BESIDE)
    return is_marked or "comment" in stream.metadata.get("title", "").lower()


def _title(stream: av.AudioStream) -> str:
    named = (stream.metadata.get(key, "").strip() for key in ("title", "handler_name", "language"))
    return shortened(next((name for name in named if name not in _NO_TITLES), ""), _LONGEST_TITLE)


def spoken_track(container: InputContainer) -> int:
    """Return which sound track to hear, from 0: the one that the file prefers or, if hardly
    anybody speaks in that, the one with most speech.

    Listens to some passages and leaves the file somewhere; what cannot be read of them counts
    as silence.
    """
    tracks = tracks_of(container)
    preferred = next(i for i, track in enumerate(tracks) if track.is_preferred)
    candidates = [preferred, *(i for i in range(len(tracks)) if i != preferred)][:_MOST_TRACKS]
    speech_s = dict.fromkeys(candidates, 0.0)
    for at_s in _times(container):
        for i, samples in _passage(container, candidates, at_s).items():
            speech_s[i] += _speech_s(samples)
    spoken = [i for i in candidates if speech_s[i] >= _LEAST_S]
    of_itself = [i for i in spoken if not _is_beside(container.streams.audio[i])]
    best = max(of_itself or spoken or [preferred], key=lambda i: speech_s[i])
    return preferred if speech_s[preferred] >= _ENOUGH * speech_s[best] else best


def _times(container: InputContainer) -> Sequence[float]:
    seconds = (container.duration or 0) / 1e6
    one_by_one = [i * _PASSAGE_S for i in range(len(_PASSAGES))]
    if seconds > len(_PASSAGES) * _PASSAGE_S:
        return [share * seconds for share in _PASSAGES]
    return [at_s for at_s in one_by_one if at_s == 0 or not seconds or at_s < seconds]


def _passage(
    container: InputContainer, tracks: Sequence[int], at_s: float
) -> dict[int, NDArray[np.float32]]:
    """Return some seconds of each track, (n_samples,) float32 at 16 kHz."""
    streams = container.streams.audio
    heard = {streams[i].index: _Heard(i) for i in tracks if streams[i].codec_context}
    begins_s = (container.start_time or 0) / 1e6 + at_s
    try:
        container.seek(int(begins_s * 1e6))
        for packet in _packets(container, begins_s + _PASSAGE_S):
            if packet.stream.index in heard:
                heard[packet.stream.index].take(packet)
            if all(one.is_full for one in heard.values()):
                break
    except (av.error.FFmpegError, OSError, ValueError, MemoryError):
        pass
    except IndexError:  # PyAV 18.1, of a stream that begins within the file
        pass
    return {one.track: one.samples for one in heard.values()}


def _packets(container: InputContainer, until_s: float) -> Iterator[av.Packet[Any]]:
    for n, packet in enumerate(container.demux()):
        if n > _MOST_PACKETS:
            return
        at_s = packet.pts * packet.time_base if packet.pts is not None else 0
        if at_s > until_s:
            return
        yield packet


class _Heard:
    """What a passage has of one track."""

    def __init__(self, track: int) -> None:
        self.track = track
        self._resampler = Resampler()
        self._parts: list[NDArray[np.float32]] = [np.zeros(0, np.float32)]
        self._n = 0

    @property
    def is_full(self) -> bool:
        return self._n >= _PASSAGE_S * SAMPLE_RATE_HZ

    @property
    def samples(self) -> NDArray[np.float32]:
        return np.concatenate(self._parts)

    def take(self, packet: av.Packet[Any]) -> None:
        """Decode a packet, if there is not enough yet."""
        if self.is_full:
            return
        try:
            frames = packet.decode()
        except av.error.InvalidDataError:
            return
        for frame in frames:
            if isinstance(frame, av.AudioFrame) and frame.sample_rate in RATES_HZ:
                self._parts.append(self._resampler.push(frame))
                self._n += len(self._parts[-1])


def _speech_s(samples: NDArray[np.float32]) -> float:
    voices = SileroVad(forgets=True).push(samples) >= _VOICE
    return float(np.count_nonzero(voices)) * FRAME_SAMPLES / SAMPLE_RATE_HZ
