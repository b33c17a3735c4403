"""Is a hypothesis to be trusted? Whisper's own gates, for both modes."""

from __future__ import annotations

from asr_core.engines.base import Hypothesis

__all__ = ["is_doubtful", "is_silence", "repeats_itself"]

# Radford et al. 2022, section 4.5, and the defaults of openai-whisper.
MAX_COMPRESSION_RATIO = 2.4
MIN_AVG_LOGPROB = -1.0
MAX_NO_SPEECH_PROBABILITY = 0.6


def repeats_itself(hypothesis: Hypothesis) -> bool:
    """The text compresses better than speech does."""
    return hypothesis.compression_ratio > MAX_COMPRESSION_RATIO


def is_doubtful(hypothesis: Hypothesis) -> bool:
    """The text repeats itself or the model hardly believes it: decode again."""
    return bool(hypothesis.words) and (
        repeats_itself(hypothesis) or hypothesis.avg_logprob < MIN_AVG_LOGPROB
    )


def is_silence(hypothesis: Hypothesis) -> bool:
    """The model hears no speech and hardly believes its words: drop them."""
    return (
        hypothesis.no_speech_probability > MAX_NO_SPEECH_PROBABILITY
        and hypothesis.avg_logprob < MIN_AVG_LOGPROB
    )
