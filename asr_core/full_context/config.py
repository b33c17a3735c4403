"""Thresholds of full-context transcription, each with its unit and where it comes from."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["FULL_CONTEXT_DEFAULTS", "FullContextConfig"]


@dataclass(frozen=True)
class FullContextConfig:
    """Thresholds of full context; what the user chooses is in ``FileOptions``.

    Values were chosen on recorded speech (``benchmarks.files``) unless a source is named.
    """

    # --- cutting a recording into chunks (chunks.py) ---------------------------------

    max_chunk_s: float = 25.0
    """Seconds of the longest chunk (docs/tuning.md)."""
    join_gap_s: float = 3.0
    """Seconds of pause up to which speech shares a chunk, for context.

    Longer silence is cut out: Whisper fills it with words of its own.
    """
    max_pause_s: float = 1.0
    """Seconds to which longer pauses within a chunk are shortened for the model."""
    flush_delay_s: float = 1.0
    """Seconds beyond ``join_gap_s`` after which a chunk is handed out."""
    min_silence_s: float = 0.5
    """Seconds of pause that end a span of speech."""
    cut_smoothing_frames: int = 5
    """Frames of the voice detector over which speech is averaged to find where to cut."""

    # --- the language (transcribe.py) ------------------------------------------------

    n_language_chunks: int = 5
    """Number of chunks from whose audio the language of a file is detected."""
    min_language_speech_s: float = 3.0
    """Seconds of speech from which on a chunk's own language is detected."""

    # --- speech that a hypothesis skipped (skipped_speech.py) ------------------------

    min_skipped_s: float = 1.5
    """Seconds of speech without a word that are transcribed again.

    The longest pauses that alignment leaves within transcribed speech are shorter.
    """
    skipped_pad_s: float = 0.2
    """Seconds kept on either side of them: words begin softly."""
    min_split_pause_s: float = 0.2
    """Seconds of the shortest pause at which a part without words is split."""
    min_split_speech_s: float = 0.5
    """Seconds of speech that each half then has at least."""

    # --- memory (transcribe.py) ------------------------------------------------------

    trim_heap_rounds: int = 16
    """Number of rounds of chunks after which freed memory is returned (docs/tuning.md)."""


FULL_CONTEXT_DEFAULTS = FullContextConfig()
"""The configuration that ships."""
