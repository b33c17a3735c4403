"""Recordings with a speaker on each channel: calls, interviews, meetings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from asr_core.audio.crosstalk import CrosstalkGate
from asr_core.transcript import Segment, Transcript

__all__ = ["Speakers", "speaker_names"]

_PAIRS = (("FL", "FR"), ("DL", "DR"), ("NONE", "NONE"))


def speaker_names(channels: Sequence[str]) -> tuple[str, ...]:
    """Return the speaker's name for each channel, by FFmpeg's names of the channels."""
    if tuple(channels) in _PAIRS:
        return "Left", "Right"
    return tuple(f"Channel {number}" for number in range(1, len(channels) + 1))


class Speakers:
    """Speakers of one recording, one on each channel.

    Args:
        channels: FFmpeg's names of the channels.
        name: of the recording, for notes.
    """

    def __init__(self, channels: Sequence[str], name: str) -> None:
        self._names, self._recording = speaker_names(channels), name
        self._gate = CrosstalkGate(len(channels))

    def without_crosstalk(
        self, pieces: Iterable[NDArray[np.float32]]
    ) -> Iterator[NDArray[np.float32]]:
        """Yield ``pieces``, (n_channels, n_samples) each, without crosstalk between channels."""
        for piece in pieces:
            yield self._gate.push(piece)
        yield self._gate.flush()

    def label(self, segment: Segment, channel: int) -> Segment:
        """Return ``segment`` with its speaker's name if there are several channels."""
        return replace(segment, speaker=self._names[channel]) if len(self._names) > 1 else segment

    def finalize(self, transcript: Transcript) -> Transcript:
        """Return the transcript of the whole recording.

        If the channels do not tell speakers apart, it has a note and no names.
        """
        if len(self._names) > 1 and not self._gate.are_channels_identical:
            return transcript
        why = (
            f"{self._recording} has one channel only"
            if len(self._names) == 1
            else f"All channels of {self._recording} hold the same sound"
        )
        return replace(
            transcript,
            segments=tuple(replace(segment, speaker=None) for segment in transcript.segments),
            notes=(*transcript.notes, f"{why}, so its speakers are not told apart."),
        )
