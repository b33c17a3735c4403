"""Texts as they are compared: what is written otherwise but says the same is made the same."""

from asr_core.testbench.normalise.texts import Normalised, normalised, written_words

__all__ = ["Normalised", "normalised", "written_words"]
