"""Decoding requests: what the decoder is asked for a window, and how much the encoder sees."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from asr_core.audio import SAMPLE_RATE_HZ
from asr_core.engines.base import MAX_WINDOW_S, Window
from asr_core.engines.whisper.features import HOP_SAMPLES
from asr_core.engines.whisper.terms import TermTrie
from asr_core.engines.whisper.tokenizer import MAX_POSITIONS, WhisperTokenizer

__all__ = ["DecodingRequest", "build_request", "encoder_context_s", "group_compatible"]

# Silence after the audio and the shortest context, in seconds (docs/tuning.md). With less, a
# decoder misses the end of the speech and repeats itself; a beam needs less than greedy search.
GREEDY_PADDING_S = 5.0
BEAM_PADDING_S = 2.0
MIN_BEAM_CONTEXT_S = 15.0
MIN_PARTIAL_CONTEXT_S = 10.0  # repeats are mostly removed, or gone with the next partial pass

_CONTEXT_STEP_S = 0.5  # so that few different shapes reach the model

_MAX_TOKENS_PER_S = 16
_MIN_TOKENS = 24


@dataclass(frozen=True)
class DecodingRequest:
    """Input of the decoder for one window.

    Attributes:
        previous: tokens of the text before the window, from ``<|startofprev|>`` on; or none.
        start: start-of-transcript sequence: language, task, no time stamps.
        prefix: text tokens that the decoder continues.
        terms: that become likelier; None without any.
        max_new_tokens: limit of the tokens after the prefix.
        repetition_penalty: 1.0 for none; see :class:`~asr_core.engines.base.Window`.
        beam_size: 1 for greedy search.
        n_frames: encoder frames that hold audio; the rest is padding.
        is_partial: the audio is decoded again when more of it is there.
    """

    previous: list[int]
    start: list[int]
    prefix: list[int]
    terms: TermTrie | None
    max_new_tokens: int
    repetition_penalty: float
    beam_size: int
    n_frames: int
    is_partial: bool

    @property
    def decoder_input(self) -> list[int]:
        """Tokens that the decoder is given before it generates any."""
        return self.previous + self.start + self.prefix


def build_request(
    window: Window, tokenizer: WhisperTokenizer, language: str, *, beam_size: int
) -> DecodingRequest:
    """Return the request for ``window`` in ``language``, within the decoder's positions."""
    duration_s = len(window.samples) / SAMPLE_RATE_HZ
    start, prefix = tokenizer.start_sequence(language, window.task), list(window.prefix)
    while prefix and tokenizer.is_punctuation(prefix[-1]):
        del prefix[-1]  # it was a guess at what follows
    n_free = MAX_POSITIONS - len(start) - len(prefix) - 1
    previous = tokenizer.prompt_tokens(window.prompt, max(0, n_free - _MIN_TOKENS))
    n_free -= len(previous)
    limit = _MIN_TOKENS + math.ceil(_MAX_TOKENS_PER_S * duration_s) - len(prefix)
    return DecodingRequest(
        previous=previous,
        start=start,
        prefix=prefix,
        terms=tokenizer.term_trie(window.terms),
        max_new_tokens=min(max(limit, _MIN_TOKENS), n_free),
        repetition_penalty=window.repetition_penalty,
        beam_size=beam_size,
        n_frames=max(1, len(window.samples) // (2 * HOP_SAMPLES)),
        is_partial=window.is_partial,
    )


def encoder_context_s(window: Window, beam_size: int) -> float:
    """Return the seconds that the encoder sees: the audio and the silence after it."""
    duration_s = len(window.samples) / SAMPLE_RATE_HZ
    if window.context_s is not None:
        wanted_s = window.context_s
    elif beam_size > 1:
        least_s = MIN_PARTIAL_CONTEXT_S if window.is_partial else MIN_BEAM_CONTEXT_S
        wanted_s = max(duration_s + BEAM_PADDING_S, least_s)
    else:
        wanted_s = duration_s + GREEDY_PADDING_S
    stepped_s = math.ceil(max(wanted_s, duration_s) / _CONTEXT_STEP_S) * _CONTEXT_STEP_S
    return min(stepped_s, MAX_WINDOW_S)


def group_compatible(
    requests: Sequence[DecodingRequest], indices: Sequence[int]
) -> list[list[int]]:
    """Return the requests at ``indices`` in groups that one call of the decoder can serve."""
    groups: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for i in indices:
        request = requests[i]
        key = (
            (*request.previous, *request.start),
            len(request.prefix),
            request.repetition_penalty,
            request.beam_size,
            request.is_partial,
        )
        groups[key].append(i)
    return list(groups.values())
