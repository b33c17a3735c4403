"""Acoustic conditions under which cases are tested, each reproducible from a seed.

A condition is written as its type and value: ``white:10``, ``pitch:-4``, ``telephone``; a
user's own noise as ``noise:10@street``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from asr_core.errors import ConditionError

__all__ = [
    "CLEAN",
    "CONDITION_TYPES",
    "Condition",
    "ConditionAssets",
    "ConditionType",
    "apply_condition",
]

Samples = NDArray[np.float32]


@dataclass(frozen=True)
class ConditionAssets:
    """Audio that conditions need besides the case.

    Attributes:
        voices: other cases, for babble, in a fixed order.
        noises: the user's own, by name.
    """

    voices: Sequence[Samples] = ()
    noises: Mapping[str, Samples] = field(default_factory=dict)


@dataclass(frozen=True)
class ConditionType:
    """Type of condition, with the values it may have.

    Attributes:
        name: for display.
        title: for display, with ``{}`` in place of the value.
        unit: of the value; empty for types without one.
        low, high: limits of the value.
        usual: values offered for selection, from mild to hard.
    """

    name: str
    title: str
    unit: str = ""
    low: float = 0.0
    high: float = 0.0
    usual: tuple[float, ...] = ()

    @property
    def has_value(self) -> bool:
        """True if conditions of this type have a value."""
        return bool(self.unit)


CONDITION_TYPES: dict[str, ConditionType] = {
    "clean": ConditionType("As recorded", "As recorded"),
    "white": ConditionType("White noise", "White noise, {} dB", "dB SNR", -20, 60, (20, 10, 5, 0)),
    "pink": ConditionType("Pink noise", "Pink noise, {} dB", "dB SNR", -20, 60, (20, 10, 5, 0)),
    "babble": ConditionType(
        "Other voices", "Other voices, {} dB", "dB SNR", -20, 60, (20, 10, 5, 0)
    ),
    "noise": ConditionType("Own noise", "{} dB", "dB SNR", -20, 60, (20, 10, 5, 0)),
    "pitch": ConditionType("Pitch", "Pitch {:+g} semitones", "semitones", -12, 12, (-6, -3, 3, 6)),
    "speed": ConditionType("Speed", "Speed × {}", "× speed", 0.5, 2, (0.7, 0.85, 1.2, 1.5)),
    "room": ConditionType("Room", "Room, echo of {} s", "s echo", 0.15, 1.2, (0.3, 0.6, 1.0)),
    "telephone": ConditionType("Telephone", "Telephone, landline"),
    "amr": ConditionType(
        "Mobile phone", "Mobile phone, {} kbit/s", "kbit/s", 4.75, 12.2, (12.2, 4.75)
    ),
    "clip": ConditionType("Overdrive", "Overdriven by {} dB", "dB", 0, 60, (10, 20, 30)),
    "gain": ConditionType("Loudness", "Loudness {:+g} dB", "dB", -60, 40, (-40, -20, 20)),
    "loss": ConditionType("Packet loss", "{} % of packets lost", "% lost", 0, 90, (5, 10, 20)),
}

_AMR_KBIT_S = (4.75, 5.15, 5.9, 6.7, 7.4, 7.95, 10.2, 12.2)


@dataclass(frozen=True, order=True)
class Condition:
    """Condition that a recording is tested under.

    Attributes:
        kind: a key of ``CONDITION_TYPES``.
        value: in the unit of the type; 0 for types without one.
        noise: for type ``noise``, the name of the noise.

    Raises:
        ConditionError: there is no such type, or the value is out of range.
    """

    kind: str
    value: float = 0.0
    noise: str = ""

    def __post_init__(self) -> None:
        kind = CONDITION_TYPES.get(self.kind)
        if kind is None:
            raise ConditionError(
                f"{self.kind!r} is not a condition; choose from {', '.join(CONDITION_TYPES)}."
            )
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
        """Parse the text that ``str`` writes.

        Raises:
            ConditionError: see the class; also if the value is not a number.
        """
        head, _, noise = text.strip().partition("@")
        name, _, value = head.partition(":")
        kind = CONDITION_TYPES.get(name)
        if kind is not None and kind.has_value != bool(value):
            example = f"{name}:{kind.usual[0]:g}" if kind.has_value else name
            raise ConditionError(f"{text!r} is written {example}.")
        try:
            return cls(name, float(value or 0), noise)
        except ValueError:
            raise ConditionError(f"{value!r} in {text!r} is no number.") from None

    def __str__(self) -> str:
        text = f"{self.kind}:{self.value:g}" if CONDITION_TYPES[self.kind].has_value else self.kind
        return f"{text}@{self.noise}" if self.noise else text

    @property
    def title(self) -> str:
        """Condition for display."""
        pattern = CONDITION_TYPES[self.kind].title
        shown = pattern.format(self.value if "+" in pattern else f"{self.value:g}")
        return f"{self.noise}, {shown}" if self.noise else shown


CLEAN = Condition("clean")


def apply_condition(
    samples: Samples, condition: Condition, seed: str, assets: ConditionAssets | None = None
) -> Samples:
    """Return ``samples`` under ``condition``, bit for bit the same for the same seed.

    Args:
        samples: (n_samples,) float32, mono 16 kHz.
        condition: what to apply.
        seed: any text; different recordings get different seeds.
        assets: voices and noises, for the conditions that mix them in.

    Raises:
        ConditionError: the condition needs voices or a noise that is missing.
    """
    if condition == CLEAN:
        return samples
    digest = hashlib.sha256(f"{seed}/{condition}".encode()).digest()
    rng = np.random.default_rng(list(digest))
    make = _makers()[condition.kind]
    return make(samples, condition, rng, assets or ConditionAssets())


_Maker = Callable[[Samples, Condition, np.random.Generator, ConditionAssets], Samples]


def _makers() -> dict[str, _Maker]:
    from asr_core.evaluation import distortions as d

    def own_noise(
        samples: Samples, c: Condition, _: np.random.Generator, s: ConditionAssets
    ) -> Samples:
        if c.noise not in s.noises:
            raise ConditionError(f"There is no noise called {c.noise!r}; add it first.")
        return d.add_noise(samples, s.noises[c.noise], c.value)

    def other_voices(
        samples: Samples, c: Condition, rng: np.random.Generator, s: ConditionAssets
    ) -> Samples:
        if not s.voices:
            raise ConditionError("Other voices come from other cases; add a second one.")
        return d.add_noise(samples, d.babble(s.voices, len(samples), rng), c.value)

    return {
        "white": lambda x, c, rng, _: d.add_noise(x, d.white_noise(len(x), rng), c.value),
        "pink": lambda x, c, rng, _: d.add_noise(x, d.pink_noise(len(x), rng), c.value),
        "babble": other_voices,
        "noise": own_noise,
        "pitch": lambda x, c, *_: d.shift_pitch(x, c.value),
        "speed": lambda x, c, *_: d.change_tempo(x, c.value),
        "room": lambda x, c, rng, _: d.add_reverberation(x, c.value, rng),
        "telephone": lambda x, *_: d.telephone(x),
        "amr": lambda x, c, *_: d.amr(x, c.value),
        "clip": lambda x, c, *_: d.clip(x, c.value),
        "gain": lambda x, c, *_: d.change_gain(x, c.value),
        "loss": lambda x, c, rng, _: d.opus_with_loss(x, c.value, rng),
    }
