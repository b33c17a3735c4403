"""Variations of a case, each repeatable from a seed.

A condition is written as its kind and how much of it: ``white:10``, ``pitch:-4``,
``telephone``; a noise of one's own as ``noise:10@street``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from asr_core.errors import ConditionError

__all__ = ["CLEAN", "KINDS", "Condition", "Kind", "Surroundings", "varied"]

Samples = NDArray[np.float32]


@dataclass(frozen=True)
class Surroundings:
    """What conditions take from outside the case.

    Attributes:
        voices: of other cases, for babble, in a fixed order.
        noises: the user's own, by name.
    """

    voices: Sequence[Samples] = ()
    noises: Mapping[str, Samples] = field(default_factory=dict)


@dataclass(frozen=True)
class Kind:
    """One sort of condition.

    Attributes:
        name: for people.
        title: the same with how much in place of ``{}``.
        unit: of how much; empty where there is nothing to choose.
        low, high: limits of how much.
        usual: values that a list offers, from mild to hard.
    """

    name: str
    title: str
    unit: str = ""
    low: float = 0.0
    high: float = 0.0
    usual: tuple[float, ...] = ()

    @property
    def has_value(self) -> bool:
        return bool(self.unit)


KINDS: dict[str, Kind] = {
    "clean": Kind("As recorded", "As recorded"),
    "white": Kind("White noise", "White noise, {} dB", "dB SNR", -20, 60, (20, 10, 5, 0)),
    "pink": Kind("Pink noise", "Pink noise, {} dB", "dB SNR", -20, 60, (20, 10, 5, 0)),
    "babble": Kind("Other voices", "Other voices, {} dB", "dB SNR", -20, 60, (20, 10, 5, 0)),
    "noise": Kind("Own noise", "{} dB", "dB SNR", -20, 60, (20, 10, 5, 0)),
    "pitch": Kind("Pitch", "Pitch {:+g} semitones", "semitones", -12, 12, (-6, -3, 3, 6)),
    "speed": Kind("Speed", "Speed × {}", "× speed", 0.5, 2, (0.7, 0.85, 1.2, 1.5)),
    "room": Kind("Room", "Room, echo of {} s", "s echo", 0.15, 1.2, (0.3, 0.6, 1.0)),
    "telephone": Kind("Telephone", "Telephone, landline"),
    "amr": Kind("Mobile phone", "Mobile phone, {} kbit/s", "kbit/s", 4.75, 12.2, (12.2, 4.75)),
    "clip": Kind("Overdrive", "Overdriven by {} dB", "dB", 0, 60, (10, 20, 30)),
    "gain": Kind("Loudness", "Loudness {:+g} dB", "dB", -60, 40, (-40, -20, 20)),
    "loss": Kind("Packet loss", "{} % of packets lost", "% lost", 0, 90, (5, 10, 20)),
}

_AMR_KBIT_S = (4.75, 5.15, 5.9, 6.7, 7.4, 7.95, 10.2, 12.2)


@dataclass(frozen=True, order=True)
class Condition:
    """One variation.

    Attributes:
        kind: a key of ``KINDS``.
        value: how much, in the unit of the kind; 0 where there is nothing to choose.
        noise: of kind ``noise``: which one.

    Raises:
        ConditionError: there is no such kind, or the value is out of its limits.
    """

    kind: str
    value: float = 0.0
    noise: str = ""

    def __post_init__(self) -> None:
        kind = KINDS.get(self.kind)
        if kind is None:
            raise ConditionError(f"{self.kind!r} is no condition; there are {', '.join(KINDS)}.")
        if kind.has_value and not kind.low <= self.value <= kind.high:
            raise ConditionError(
                f"{self.kind} takes {kind.low:g} to {kind.high:g} {kind.unit}, not {self.value:g}."
            )
        if self.kind == "amr" and self.value not in _AMR_KBIT_S:
            rates = ", ".join(f"{rate:g}" for rate in _AMR_KBIT_S)
            raise ConditionError(f"amr knows {rates} kbit/s, not {self.value:g}.")
        if self.kind == "noise" and not self.noise:
            raise ConditionError("noise needs a name, such as noise:10@street.")

    @classmethod
    def parse(cls, text: str) -> Condition:
        """As written by ``str``.

        Raises:
            ConditionError: see the class; also where the value is no number.
        """
        head, _, noise = text.strip().partition("@")
        name, _, value = head.partition(":")
        kind = KINDS.get(name)
        if kind is not None and kind.has_value != bool(value):
            example = f"{name}:{kind.usual[0]:g}" if kind.has_value else name
            raise ConditionError(f"{text!r} is written {example}.")
        try:
            return cls(name, float(value or 0), noise)
        except ValueError:
            raise ConditionError(f"{value!r} in {text!r} is no number.") from None

    def __str__(self) -> str:
        text = f"{self.kind}:{self.value:g}" if KINDS[self.kind].has_value else self.kind
        return f"{text}@{self.noise}" if self.noise else text

    @property
    def title(self) -> str:
        """For people."""
        pattern = KINDS[self.kind].title
        shown = pattern.format(self.value if "+" in pattern else f"{self.value:g}")
        return f"{self.noise}, {shown}" if self.noise else shown


CLEAN = Condition("clean")


def varied(
    samples: Samples, condition: Condition, seed: str, surroundings: Surroundings | None = None
) -> Samples:
    """``samples`` under ``condition``: the same seed makes the same audio, bit for bit.

    Args:
        samples: (n_samples,) float32, mono 16 kHz.
        seed: any text; of cases that sound different, different ones.

    Raises:
        ConditionError: the condition needs voices or a noise that is not there.
    """
    if condition == CLEAN:
        return samples
    digest = hashlib.sha256(f"{seed}/{condition}".encode()).digest()
    rng = np.random.default_rng(list(digest))
    make = _makers()[condition.kind]
    return make(samples, condition, rng, surroundings or Surroundings())


_Maker = Callable[[Samples, Condition, np.random.Generator, Surroundings], Samples]


def _makers() -> dict[str, _Maker]:
    from asr_core.testbench import distortions as d

    def own_noise(
        samples: Samples, c: Condition, _: np.random.Generator, s: Surroundings
    ) -> Samples:
        if c.noise not in s.noises:
            raise ConditionError(f"There is no noise called {c.noise!r}; add it first.")
        return d.with_noise(samples, s.noises[c.noise], c.value)

    def others(
        samples: Samples, c: Condition, rng: np.random.Generator, s: Surroundings
    ) -> Samples:
        if not s.voices:
            raise ConditionError("Other voices come from other cases; add a second one.")
        return d.with_noise(samples, d.babble(s.voices, len(samples), rng), c.value)

    return {
        "white": lambda x, c, rng, _: d.with_noise(x, d.white_noise(len(x), rng), c.value),
        "pink": lambda x, c, rng, _: d.with_noise(x, d.pink_noise(len(x), rng), c.value),
        "babble": others,
        "noise": own_noise,
        "pitch": lambda x, c, *_: d.pitched(x, c.value),
        "speed": lambda x, c, *_: d.tempo(x, c.value),
        "room": lambda x, c, rng, _: d.in_a_room(x, c.value, rng),
        "telephone": lambda x, *_: d.telephone(x),
        "amr": lambda x, c, *_: d.amr(x, c.value),
        "clip": lambda x, c, *_: d.clipped(x, c.value),
        "gain": lambda x, c, *_: d.louder(x, c.value),
        "loss": lambda x, c, rng, _: d.opus_with_losses(x, c.value, rng),
    }
