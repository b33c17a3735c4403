from __future__ import annotations

from asr_core.engines.draft import ACCEPT, n_standing


def test_a_draft_stands_up_to_its_first_doubtful_token() -> None:
    sure, unsure = ACCEPT, ACCEPT / 2
    assert n_standing([]) == 0
    assert n_standing([sure, 0.9]) == 2
    assert n_standing([sure, unsure, 0.9]) == 1
    assert n_standing([unsure]) == 0
