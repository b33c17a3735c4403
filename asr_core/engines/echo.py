"""Prompts that are taken for the speech: written in its place or before it, or its words left
out because the prompt has them already."""

from __future__ import annotations

from collections.abc import Sequence

from rapidfuzz.distance import Levenshtein

from asr_core.transcript import Word, join_words, normalised

__all__ = ["is_misled", "may_be_misled"]

_RUN = 12
"""Bytes without spaces that a text and its prompt share, in a row, for it to be suspect: two
words in Latin letters, four characters of Chinese. A single term that was said is shorter."""

_EDGE = 6
"""The same where a text begins as its prompt begins, or as it ends; a shorter prompt whole."""

_LATE_S = 1.0
"""A first word that comes later may not be the first: windows begin with a voice."""

_MIN_SAID = 0.5
"""Of the shared bytes, that are also heard without the prompt if they were said."""

_MIN_LENGTH = 0.8
"""Beside the text without the prompt; less, and words are missing."""


def may_be_misled(words: Sequence[Word], prompt: str, *, is_look: bool = False) -> bool:
    """Return whether a prompt may have changed more than the spelling: the text shares much
    with it, or begins late, or there is none, which the next look at the same audio mends."""
    if not prompt.strip():
        return False
    is_late = not words or words[0].start > _LATE_S
    return (is_late and not is_look) or any(_shared(_bytes(join_words(words)), _bytes(prompt)))


def is_misled(text: str, prompt: str, plain: str) -> bool:
    """Return whether ``plain``, decoded of the same speech without the prompt, is to be trusted
    more: it lacks what the text shares with the prompt, or says more."""
    written, heard = _bytes(text), _bytes(plain)
    if len(written) < _MIN_LENGTH * len(heard):
        return True
    shared = _shared(written, _bytes(prompt))
    blocks = Levenshtein.opcodes(written, heard).as_matching_blocks()
    n_said = sum(sum(shared[block.a : block.a + block.size]) for block in blocks)
    return n_said < _MIN_SAID * sum(shared)


def _bytes(text: str) -> bytes:
    return normalised(text).encode()


def _shared(text: bytes, prompt: bytes) -> list[bool]:
    """Return of each byte of ``text`` whether it lies in a run that stands in the prompt."""
    known = {prompt[at : at + _RUN] for at in range(len(prompt) - _RUN + 1)}
    is_shared = [False] * len(text)
    for at in range(len(text) - _RUN + 1):
        if text[at : at + _RUN] in known:
            is_shared[at : at + _RUN] = [True] * _RUN
    lengths = range(len(prompt), min(_EDGE, len(prompt)) - 1, -1)
    begun = (n for n in lengths if text.startswith((prompt[:n], prompt[-n:])))
    n_begun = next(begun, 0)
    return [True] * n_begun + is_shared[n_begun:]
