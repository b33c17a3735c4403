"""Thresholds of streaming recognition, each with its unit and where it comes from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["STREAMING_DEFAULTS", "Steps", "StreamingConfig", "value_at"]

Steps = tuple[tuple[float, float], ...]
"""A step function of a probability: (lowest probability, value), highest first, down to 0."""


@dataclass(frozen=True)
class StreamingConfig:
    """Thresholds of streaming; what the user chooses is in ``LiveOptions``.

    Values were chosen on recorded speech (``benchmarks.live``) unless a source is named.
    """

    # --- when a word becomes final (policy.local_agreement) --------------------------

    commit_delay_s: Steps = ((0.8, 0.5), (0.6, 1.2), (0.25, 2.3), (0.0, 4.0))
    """Seconds of audio after a word before agreement commits it, by confidence.

    With less than 0.5 s the audio may cut the word in two; a word of low probability is often
    corrected once the model hears more.
    """
    min_commit_window_s: float = 1.5
    """Seconds of window before anything is committed: hypotheses on less are unreliable."""
    full_window_guard_s: float = 1.0
    """Seconds at the end of a full window whose words are left to the next window."""

    # --- which words are shown (policy.stabilize_partial) ----------------------------

    tail_margin_s: Steps = ((0.8, 0.02), (0.5, 0.25), (0.0, 0.5))
    """Seconds before the end of the audio in which a word may be cut in two, by probability.

    More hides correct words for longer; less shows more words that change again.
    """
    switch_margin_words: float = 0.6
    """Expected number of additional correct words at which a change is shown at once.

    Less shows more changes that are taken back.
    """

    # --- when an utterance ends (session) --------------------------------------------

    sentence_pause_s: float = 0.9
    """Seconds of pause that end an utterance whose words end a sentence."""
    hesitation_pause_s: float = 2.0
    """Seconds of pause that end an utterance in any case.

    People pause for up to a second within a sentence, and both halves are recognised better
    together.
    """

    # --- what the model gets (session) -----------------------------------------------

    max_window_s: float = 20.0
    """Seconds of the longest window."""
    trim_window_s: float = 12.0
    """Seconds from which on a window is trimmed past its committed words."""
    empty_window_overlap_s: float = 0.5
    """Seconds of a full window without words that the next one repeats: a word may have begun."""
    settled_silence_s: float = 0.3
    """Seconds of silence after the speech, after which another pass would change nothing."""
    partial_beam_size: int = 3
    """Beams of a pass over speech that goes on (docs/tuning.md)."""
    max_skipped_partial_s: float = 0.6
    """Seconds of speech without words after which a partial pass drops the context.

    The model took the pause for the end of the recording and skipped what follows it.
    """
    max_skipped_final_s: float = 0.3
    """The same for a final pass, which nothing corrects afterwards."""
    language_delay_s: Steps = ((0.9, 1.5), (0.7, 3.0), (0.5, 6.0), (0.0, 12.0))
    """Seconds of window before a detected language is kept, by its probability."""

    # --- what the model gets of earlier speech (utterance) ---------------------------

    prompt_chars: int = 200
    """Characters of the same utterance in the prompt once its audio has left the window."""
    context_s: float = 5.0
    """Seconds of earlier speech that a window begins with; the pause after it is cut out."""
    max_doubtful_probability: float = 0.5
    """Probability below which a word makes its context doubtful: it is decoded once more."""
    context_lead_s: float = 0.5
    """Seconds kept before the first word of a context: its time may be late."""

    # --- the level meter (session) ---------------------------------------------------

    level_floor_dbfs: float = -90.0
    """Lowest level shown, dBFS."""
    sound_threshold_dbfs: float = -75.0
    """Level above which there is sound, dBFS: below the noise of a quiet room."""
    level_fall_db_per_s: float = 40.0
    """Fall of the meter, dB per second: it rises at once and falls slowly, to be readable."""


STREAMING_DEFAULTS = StreamingConfig()
"""The configuration that ships."""


def value_at(steps: Sequence[tuple[float, float]], probability: float) -> float:
    """Return the value of a step function at ``probability``."""
    return next(value for lowest, value in steps if probability >= lowest)
