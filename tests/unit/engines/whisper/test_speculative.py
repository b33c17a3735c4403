from __future__ import annotations

from asr_core.engines.whisper.speculative import MIN_DRAFT_PROBABILITY, n_accepted


def test_a_draft_is_accepted_up_to_its_first_uncertain_token() -> None:
    sure, unsure = MIN_DRAFT_PROBABILITY, MIN_DRAFT_PROBABILITY / 2
    assert n_accepted([]) == 0
    assert n_accepted([sure, 0.9]) == 2
    assert n_accepted([sure, unsure, 0.9]) == 1
    assert n_accepted([unsure]) == 0
