from __future__ import annotations

import pytest

from asr_core.engines.whisper.prompt_echo import echoes_prompt, may_echo_prompt
from asr_core.transcript import Word

TERMS = "Kubernetes, Terraform, Acme GmbH, Jane Doe"
SPEECH = "And so my fellow Americans, ask not what your country can do for you."


def words(text: str, start_s: float = 0.1) -> list[Word]:
    return [Word(f" {w}", start_s + i, start_s + i + 0.8, 0.9) for i, w in enumerate(text.split())]


@pytest.mark.parametrize(
    ("prompt", "text"),
    [
        (TERMS, "Kubernetes, terraform, Acme Gmbh, Jane Doe"),
        (TERMS, "Kubernetes, Terraform, Kubernetes, Terraform, Kubernetes, Terraform"),
        (TERMS, f"Terraform, Acme GmbH, Jane Doe. {SPEECH}"),
        (TERMS, f"Jane Doe. {SPEECH}"),
        (TERMS, f"{SPEECH} Kubernetes, Terraform, Acme GmbH."),
        (TERMS, ""),
        ("Acme", f"Acme. {SPEECH}"),
        ("SPEAKER_00: Good morning. SPEAKER_01: Hello.", f"SPEAKER_00: {SPEECH}"),
        ("Das Protokoll der Sitzung", "Das Protokoll der Sitzung."),
        ("東京都、大阪府、京都府", "東京都、大阪府"),
    ],
)
def test_a_prompt_written_instead_of_or_before_the_speech_is_an_echo(
    prompt: str, text: str
) -> None:
    assert may_echo_prompt(words(text), prompt)
    assert echoes_prompt(text, prompt, SPEECH)


@pytest.mark.parametrize(
    ("prompt", "text", "plain"),
    [
        (TERMS, "Kubernetes, Terraform, Acme GmbH.", "Cuban Eddies, terror form, Acme, GMBH."),
        (SPEECH, SPEECH, "And so my fellow America, ask not what your country can do for you."),
        (TERMS, "Jane Doe and Kubernetes, Terraform.", "Jane Doh and Kubernetes Terraform"),
        ("Acme", "Acme is a company.", "Acne is a company."),
        ("東京都、大阪府、京都府", "東京都、大阪府です", "東京と大阪府です"),
    ],
)
def test_spoken_words_of_the_prompt_are_kept(prompt: str, text: str, plain: str) -> None:
    assert not echoes_prompt(text, prompt, plain)


def test_no_echo_is_suspected_without_a_prompt_or_for_a_single_term() -> None:
    assert not may_echo_prompt(words(SPEECH), "")
    assert not may_echo_prompt(words(""), "")
    assert not may_echo_prompt(words("We run it on Kubernetes."), TERMS)
    assert not may_echo_prompt(words(SPEECH), TERMS)
    assert not may_echo_prompt(words("the best of times, it was the worst of times"), "It was")


def test_words_skipped_because_the_prompt_has_them_are_suspect() -> None:
    rest = "ask not what your country can do for you."
    assert may_echo_prompt(words(rest, start_s=2.0), "And so my fellow Americans,")
    assert not may_echo_prompt(words(rest, start_s=0.3), "And so my fellow Americans,")
    assert echoes_prompt(rest, "And so my fellow Americans,", SPEECH)
    assert echoes_prompt("And so.", SPEECH, SPEECH)
