"""Distortions of a speech signal, each a pure function.

Samples are (n_samples,) float32, mono 16 kHz, in and out. Randomness comes from a generator
argument, so that the same seed gives the same audio.
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
from asr_core.audio.pcm import clip_to_int16, to_float32
from asr_core.rtc.concealment import conceal_loss

__all__ = [
    "add_noise",
    "add_reverberation",
    "amr",
    "babble",
    "change_gain",
    "change_tempo",
    "clip",
    "opus_with_loss",
    "pink_noise",
    "shift_pitch",
    "telephone",
    "white_noise",
]

Samples = NDArray[np.float32]

_N_VOICES = 5
"""Voices in babble: with fewer each can be followed, with many more only a hum remains."""

_PACKET_S = 0.02  # packet duration browsers use


def shift_pitch(samples: Samples, semitones: float) -> Samples:
    """Shift pitch and formants without changing the duration."""
    stretch = _stretch()
    stretch.setTransposeSemitones(semitones)
    return _stretched(stretch, samples, len(samples))


def change_tempo(samples: Samples, factor: float) -> Samples:
    """Change the speed by ``factor`` (above 1 is faster) without changing the pitch."""
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
    writable = np.array(samples[np.newaxis])  # the library needs a writable array
    return _fitted(stretch.process(writable)[0], n_wanted)


def white_noise(n_samples: int, rng: np.random.Generator) -> Samples:
    """Return (n_samples,) white noise."""
    return rng.standard_normal(n_samples, dtype=np.float32)


def pink_noise(n_samples: int, rng: np.random.Generator) -> Samples:
    """Return (n_samples,) pink noise: equal power per octave, roughly as rooms and streets have."""
    spectrum = np.fft.rfft(rng.standard_normal(n_samples))
    spectrum /= np.sqrt(np.maximum(np.arange(len(spectrum)), 1))
    return np.fft.irfft(spectrum, n_samples).astype(np.float32)


def babble(voices: Sequence[Samples], n_samples: int, rng: np.random.Generator) -> Samples:
    """Return (n_samples,) of several voices mixed at equal loudness.

    Raises:
        ValueError: there are no voices.
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


def add_noise(samples: Samples, noise: Samples, snr_db: float) -> Samples:
    """Add ``noise`` at a signal-to-noise ratio of ``snr_db``.

    Powers are means over the whole recording; a shorter noise is repeated.
    """
    noise = np.resize(noise, len(samples))
    wanted = _rms(samples) * 10 ** (-snr_db / 20)
    return samples + noise * np.float32(wanted / max(_rms(noise), 1e-9))


def add_reverberation(
    samples: Samples, reverberation_s: float, rng: np.random.Generator
) -> Samples:
    """Simulate a microphone a few metres away in a room (image sources, Allen & Berkley 1979).

    Args:
        samples: the dry signal.
        reverberation_s: RT60 of the room, seconds.
        rng: draws the room's size and the positions.
    """
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
    """Simulate a landline: 300 to 3400 Hz (ITU-T G.712), 8-bit mu-law (G.711)."""
    band = scipy.signal.butter(4, (300, 3400), "bandpass", fs=SAMPLE_RATE_HZ, output="sos")
    narrow = _as_samples(scipy.signal.sosfilt(band, samples))
    return _through_codec(narrow, "pcm_mulaw", 8000)


def amr(samples: Samples, kbit_s: float) -> Samples:
    """Simulate a mobile call: AMR narrowband (3GPP TS 26.071) at ``kbit_s``."""
    return _through_codec(samples, "libopencore_amrnb", 8000, kbit_s)


def clip(samples: Samples, overdrive_db: float) -> Samples:
    """Clip the peaks that exceed full scale after ``overdrive_db`` of gain."""
    peak = max(float(np.abs(samples).max(initial=0.0)), 1e-9)
    return _as_samples(np.clip(samples * (10 ** (overdrive_db / 20) / peak), -1, 1) * peak)


def change_gain(samples: Samples, gain_db: float) -> Samples:
    """Amplify by ``gain_db``; values beyond full scale are clipped."""
    return _as_samples(np.clip(samples * 10 ** (gain_db / 20), -1, 1))


def opus_with_loss(samples: Samples, percent: float, rng: np.random.Generator) -> Samples:
    """Simulate WebRTC: Opus with ``percent`` of the packets lost and concealed."""
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
    """Encode and decode ``samples``.

    Args:
        samples: (n_samples,) at 16 kHz.
        codec: FFmpeg's name of the encoder.
        rate_hz: sample rate of the codec.
        kbit_s: bit rate, for codecs that have one.
        lost: probability that a packet is lost.
        rng: draws the lost packets.
    """
    encoder = av.CodecContext.create(codec, "w")
    assert isinstance(encoder, av.AudioCodecContext)
    encoder.sample_rate, encoder.layout = rate_hz, "mono"
    encoder.format, encoder.time_base = "s16", Fraction(1, rate_hz)
    if kbit_s is not None:
        encoder.bit_rate = round(kbit_s * 1000)
    encoder.open()
    size = encoder.frame_size or round(_PACKET_S * rate_hz)
    narrow = _resampled(samples, SAMPLE_RATE_HZ, rate_hz)
    pcm = clip_to_int16(narrow)
    pcm = np.pad(pcm, (0, -len(pcm) % size))
    packets = []
    for at in range(0, len(pcm), size):
        frame = av.AudioFrame.from_ndarray(pcm[np.newaxis, at : at + size], "s16", "mono")
        frame.sample_rate, frame.pts = rate_hz, at
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    decoded = _decoded(packets, _decoder(codec, rate_hz, encoder.extradata), size, lost, rng)
    return _fitted(_resampled(decoded, rate_hz, SAMPLE_RATE_HZ), len(samples))


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
            pieces.append(conceal_loss(newest, n_lost, decoder.sample_rate))
            n_lost = 0
        for frame in decoder.decode(packet):
            piece = frame.to_ndarray().reshape(-1)
            newest = to_float32(piece)
            pieces.append(newest)
    pieces.append(conceal_loss(newest, n_lost, decoder.sample_rate))
    return np.concatenate(pieces)


def _resampled(samples: Samples, from_hz: int, to_hz: int) -> Samples:
    return _as_samples(scipy.signal.resample_poly(samples, to_hz, from_hz))


def _fitted(samples: Samples, n_samples: int) -> Samples:
    """Return ``samples`` cut or zero-padded to ``n_samples``."""
    return np.pad(samples[:n_samples], (0, max(0, n_samples - len(samples)))).astype(np.float32)


def _as_samples(values: NDArray[Any]) -> Samples:
    return values.astype(np.float32)


def _rms(samples: NDArray[np.floating]) -> float:
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))) if len(samples) else 0.0
