"""Prompt echo: detection of prompts that a hypothesis repeats, or whose words it leaves out.

Whisper may write the prompt in place of the speech or before it, or skip spoken words because
the prompt has them already.
"""

from __future__ import annotations

from collections.abc import Sequence

from rapidfuzz.distance import Levenshtein

from asr_core.transcript import Word, comparison_key, join_words

__all__ = ["echoes_prompt", "may_echo_prompt"]

# All lengths are in bytes of comparison keys: one for a Latin letter, three for most of Chinese.

_RUN_LENGTH = 12
"""Length of a run shared with the prompt that is suspect: two words in Latin letters, four
characters of Chinese. A single term that was spoken is shorter."""

_EDGE_LENGTH = 6
"""The same where a text begins as the prompt begins or ends; a shorter prompt counts whole."""

_LATE_START_S = 1.0
"""Start of a first word, in seconds, after which words may be missing before it."""

_MIN_SPOKEN = 0.5
"""Share of the suspect bytes that is also decoded without the prompt if it was spoken."""

_MIN_LENGTH = 0.8
"""Length relative to the text without the prompt below which words are missing."""


def may_echo_prompt(words: Sequence[Word], prompt: str, *, may_start_late: bool = False) -> bool:
    """Return True if the prompt may have changed more than the spelling.

    The text then shares much with it, or begins late or is empty.

    Args:
        words: of the text.
        prompt: that it was decoded with.
        may_start_late: words before these are known, or the next pass may find them.
    """
    if not prompt.strip():
        return False
    is_late = not words or words[0].start > _LATE_START_S
    shared = _shared(_bytes(join_words(words)), _bytes(prompt))
    return (is_late and not may_start_late) or any(shared)


def echoes_prompt(text: str, prompt: str, unprompted: str) -> bool:
    """Return True if ``unprompted``, decoded without the prompt, is to be trusted more.

    It lacks what the text shares with the prompt, or holds more words.
    """
    written, plain = _bytes(text), _bytes(unprompted)
    if len(written) < _MIN_LENGTH * len(plain):
        return True
    shared = _shared(written, _bytes(prompt))
    blocks = Levenshtein.opcodes(written, plain).as_matching_blocks()
    n_spoken = sum(sum(shared[block.a : block.a + block.size]) for block in blocks)
    return n_spoken < _MIN_SPOKEN * sum(shared)


def _bytes(text: str) -> bytes:
    return comparison_key(text).encode()


def _shared(text: bytes, prompt: bytes) -> list[bool]:
    """Return for each byte of ``text`` whether it lies in a run that the prompt holds."""
    runs = {prompt[at : at + _RUN_LENGTH] for at in range(len(prompt) - _RUN_LENGTH + 1)}
    is_shared = [False] * len(text)
    for at in range(len(text) - _RUN_LENGTH + 1):
        if text[at : at + _RUN_LENGTH] in runs:
            is_shared[at : at + _RUN_LENGTH] = [True] * _RUN_LENGTH
    lengths = range(len(prompt), min(_EDGE_LENGTH, len(prompt)) - 1, -1)
    at_edge = (n for n in lengths if text.startswith((prompt[:n], prompt[-n:])))
    n_at_edge = next(at_edge, 0)
    return [True] * n_at_edge + is_shared[n_at_edge:]
