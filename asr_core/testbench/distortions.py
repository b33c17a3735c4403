"""What can happen to a voice on its way to the model, each a pure function.

Samples are (n_samples,) float32, mono 16 kHz, in and out. Chance comes in as a
generator, so that the same seed makes the same audio.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import av
import numpy as np
import pyroomacoustics
import python_stretch
import scipy.signal
from numpy.typing import NDArray

from asr_core.audio import SAMPLE_RATE_HZ
from asr_core.audio.concealment import concealed

__all__ = [
    "amr",
    "babble",
    "clipped",
    "in_a_room",
    "louder",
    "opus_with_losses",
    "pink_noise",
    "pitched",
    "telephone",
    "tempo",
    "white_noise",
    "with_noise",
]

Samples = NDArray[np.float32]

_N_VOICES = 5
"""Of fewer each can be followed, of many more only a hum is left."""

_PACKET_S = 0.02  # what a browser sends at once


def pitched(samples: Samples, semitones: float) -> Samples:
    """Higher or lower at the same speed, formants and all, as another throat would be."""
    stretch = _stretch()
    stretch.setTransposeSemitones(semitones)
    return _stretched(stretch, samples, len(samples))


def tempo(samples: Samples, factor: float) -> Samples:
    """Faster (above 1) or slower at the same pitch."""
    stretch = _stretch()
    stretch.setTimeFactor(factor)
    return _stretched(stretch, samples, round(len(samples) / factor))


def _stretch() -> python_stretch.Signalsmith.Stretch:
    stretch = python_stretch.Signalsmith.Stretch()
    stretch.preset(1, SAMPLE_RATE_HZ)
    return stretch


def _stretched(
    stretch: python_stretch.Signalsmith.Stretch, samples: Samples, n_wanted: int
) -> Samples:
    writable = np.array(samples[np.newaxis])  # the library asks for that
    return _fitted(stretch.process(writable)[0], n_wanted)


def white_noise(n_samples: int, rng: np.random.Generator) -> Samples:
    """Equally loud at all frequencies."""
    return rng.standard_normal(n_samples, dtype=np.float32)


def pink_noise(n_samples: int, rng: np.random.Generator) -> Samples:
    """Equally loud in each octave, as rooms and streets roughly are."""
    spectrum = np.fft.rfft(rng.standard_normal(n_samples))
    spectrum /= np.sqrt(np.maximum(np.arange(len(spectrum)), 1))
    return np.fft.irfft(spectrum, n_samples).astype(np.float32)


def babble(voices: Sequence[Samples], n_samples: int, rng: np.random.Generator) -> Samples:
    """Several others speaking at once, equally loud.

    Raises:
        ValueError: nobody else is there.
    """
    if not voices:
        raise ValueError("babble needs the voices of other cases")
    chosen = rng.choice(len(voices), min(_N_VOICES, len(voices)), replace=False)
    mixed = np.zeros(n_samples, np.float32)
    for i in chosen:
        voice = voices[int(i)]
        at = int(rng.integers(len(voice)))
        mixed += np.resize(np.roll(voice, -at), n_samples) / max(_rms(voice), 1e-9)
    return mixed


def with_noise(samples: Samples, noise: Samples, snr_db: float) -> Samples:
    """``noise`` added so that the voice is ``snr_db`` above it, by mean power over the whole
    recording; repeated where it is shorter."""
    noise = np.resize(noise, len(samples))
    wanted = _rms(samples) * 10 ** (-snr_db / 20)
    return samples + noise * np.float32(wanted / max(_rms(noise), 1e-9))


def in_a_room(samples: Samples, reverberation_s: float, rng: np.random.Generator) -> Samples:
    """As a microphone hears it a few metres away in a room whose sound takes
    ``reverberation_s`` to fall by 60 dB (image sources, Allen & Berkley 1979)."""
    size = np.array([6.0, 4.5, 2.8]) * rng.uniform(0.9, 1.1, 3)
    absorption, order = pyroomacoustics.inverse_sabine(reverberation_s, size)
    room = pyroomacoustics.ShoeBox(
        size,
        fs=SAMPLE_RATE_HZ,
        materials=pyroomacoustics.Material(absorption),
        max_order=min(order, 25),
    )
    room.add_source(size * rng.uniform(0.2, 0.4, 3))
    room.add_microphone(size * rng.uniform(0.6, 0.8, 3))
    room.compute_rir()
    response = room.rir[0][0]
    direct = int(np.argmax(np.abs(response)))
    wet = scipy.signal.fftconvolve(samples, response[direct:])[: len(samples)]
    return _as_samples(wet * (_rms(samples) / max(_rms(wet), 1e-9)))


def telephone(samples: Samples) -> Samples:
    """A landline: 300 to 3400 Hz (ITU-T G.712), eight bits a sample by the mu-law (G.711)."""
    band = scipy.signal.butter(4, (300, 3400), "bandpass", fs=SAMPLE_RATE_HZ, output="sos")
    narrow = _as_samples(scipy.signal.sosfilt(band, samples))
    return _through_codec(narrow, "pcm_mulaw", 8000)


def amr(samples: Samples, kbit_s: float) -> Samples:
    """A mobile phone call, AMR narrowband (3GPP TS 26.071)."""
    return _through_codec(samples, "libopencore_amrnb", 8000, kbit_s)


def clipped(samples: Samples, overdrive_db: float) -> Samples:
    """A microphone turned up so far that peaks ``overdrive_db`` above its limit are cut off."""
    peak = max(float(np.abs(samples).max(initial=0.0)), 1e-9)
    return _as_samples(np.clip(samples * (10 ** (overdrive_db / 20) / peak), -1, 1) * peak)


def louder(samples: Samples, gain_db: float) -> Samples:
    """Louder or, below 0, quieter; what goes beyond full scale is cut off."""
    return _as_samples(np.clip(samples * 10 ** (gain_db / 20), -1, 1))


def opus_with_losses(samples: Samples, percent: float, rng: np.random.Generator) -> Samples:
    """Over WebRTC with ``percent`` of the packets lost, the holes filled as for speakers."""
    return _through_codec(samples, "libopus", 48000, 32, lost=percent / 100, rng=rng)


def _through_codec(
    samples: Samples,
    codec: str,
    rate_hz: int,
    kbit_s: float | None = None,
    *,
    lost: float = 0.0,
    rng: np.random.Generator | None = None,
) -> Samples:
    """Encoded and decoded again; each packet is lost with probability ``lost``."""
    encoder = av.CodecContext.create(codec, "w")
    assert isinstance(encoder, av.AudioCodecContext)
    encoder.sample_rate, encoder.layout = rate_hz, "mono"
    encoder.format, encoder.time_base = "s16", Fraction(1, rate_hz)
    if kbit_s is not None:
        encoder.bit_rate = round(kbit_s * 1000)
    encoder.open()
    size = encoder.frame_size or round(_PACKET_S * rate_hz)
    narrow = _resampled(samples, SAMPLE_RATE_HZ, rate_hz)
    pcm = (np.clip(narrow, -1, 1) * 32767).astype(np.int16)
    pcm = np.pad(pcm, (0, -len(pcm) % size))
    packets = []
    for at in range(0, len(pcm), size):
        frame = av.AudioFrame.from_ndarray(pcm[np.newaxis, at : at + size], "s16", "mono")
        frame.sample_rate, frame.pts = rate_hz, at
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    heard = _decoded(packets, _decoder(codec, rate_hz, encoder.extradata), size, lost, rng)
    return _fitted(_resampled(heard, rate_hz, SAMPLE_RATE_HZ), len(samples))


def _decoder(codec: str, rate_hz: int, extradata: bytes | None) -> av.AudioCodecContext:
    names = {"libopencore_amrnb": "amrnb", "libopus": "libopus"}
    decoder = av.CodecContext.create(names.get(codec, codec), "r")
    assert isinstance(decoder, av.AudioCodecContext)
    decoder.sample_rate, decoder.layout = rate_hz, "mono"
    if extradata:
        decoder.extradata = extradata
    return decoder


def _decoded(
    packets: Sequence[av.Packet[Any]],
    decoder: av.AudioCodecContext,
    size: int,
    lost: float,
    rng: np.random.Generator | None,
) -> Samples:
    pieces: list[Samples] = []
    n_lost, newest = 0, np.zeros(0, np.float32)
    for packet in packets:
        if rng is not None and rng.random() < lost:
            n_lost += size
            continue
        if n_lost:
            pieces.append(concealed(newest, n_lost, decoder.sample_rate))
            n_lost = 0
        for frame in decoder.decode(packet):
            piece = frame.to_ndarray().reshape(-1)
            scale = 1.0 if piece.dtype.kind == "f" else 32768.0
            newest = (piece / scale).astype(np.float32)
            pieces.append(newest)
    pieces.append(concealed(newest, n_lost, decoder.sample_rate))
    return np.concatenate(pieces)


def _resampled(samples: Samples, from_hz: int, to_hz: int) -> Samples:
    return _as_samples(scipy.signal.resample_poly(samples, to_hz, from_hz))


def _fitted(samples: Samples, n_samples: int) -> Samples:
    """Cut or filled with silence to ``n_samples``."""
    return np.pad(samples[:n_samples], (0, max(0, n_samples - len(samples)))).astype(np.float32)


def _as_samples(values: NDArray[Any]) -> Samples:
    return values.astype(np.float32)


def _rms(samples: NDArray[np.floating]) -> float:
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))) if len(samples) else 0.0
