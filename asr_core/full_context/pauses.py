"""Long pauses within a chunk, shortened for the model.

Whisper takes a pause of some seconds between lone words for the end of the recording: it leaves
out what follows or writes what came before again.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asr_core.audio import SAMPLE_RATE_HZ
from asr_core.audio.vad import FRAME_SAMPLES, mask_runs
from asr_core.full_context.chunks import SpeechChunk
from asr_core.transcript import Word

__all__ = ["ShortenedAudio", "shorten_pauses"]


@dataclass(frozen=True)
class ShortenedAudio:
    """Audio of a chunk without the middle of its long pauses.

    Attributes:
        samples: (n_samples,) float32, mono 16 kHz.
        cuts: (position in ``samples``, length) of each part that was cut out, in seconds.
    """

    samples: NDArray[np.float32]
    cuts: tuple[tuple[float, float], ...]

    def original(self, word: Word) -> Word:
        """Return ``word`` with times in seconds from the chunk's first sample."""
        start_s = word.start + sum(length for at, length in self.cuts if at <= word.start)
        end_s = word.end + sum(length for at, length in self.cuts if at < word.end)
        is_across = any(word.start < at < word.end for at, _ in self.cuts)
        if is_across:  # the alignment added the pause to it
            end_s = start_s + word.end - word.start
        return Word(word.text, start_s, end_s, word.probability)


def shorten_pauses(chunk: SpeechChunk, max_pause_s: float) -> ShortenedAudio:
    """Return the audio of ``chunk`` with each pause cut to at most ``max_pause_s`` seconds."""
    longest = round(max_pause_s * SAMPLE_RATE_HZ)
    kept: list[NDArray[np.float32]] = []
    cuts: list[tuple[float, float]] = []
    n_kept = n_read = 0
    for is_speech, first, after in mask_runs(chunk.speech_mask):
        begin = first * FRAME_SAMPLES
        n_cut = (after - first) * FRAME_SAMPLES - longest
        if not is_speech and n_cut > 0 and begin > 0:
            middle = begin + longest // 2
            kept.append(chunk.samples[n_read:middle])
            n_kept += len(kept[-1])
            n_read = middle + n_cut
            cuts.append((n_kept / SAMPLE_RATE_HZ, n_cut / SAMPLE_RATE_HZ))
    return ShortenedAudio(np.concatenate([*kept, chunk.samples[n_read:]]), tuple(cuts))
