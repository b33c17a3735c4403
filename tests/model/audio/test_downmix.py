from __future__ import annotations

import av
import numpy as np
import pytest

from asr_core.audio.downmix import Downmix, mix_weights
from asr_core.audio.resample import Resampler

STEREO = ("FL", "FR")
Samples = np.ndarray


def mixed(channels: list[Samples], names=STEREO, rate: int = 16_000, n: int = 320) -> Samples:
    data = np.array(channels, np.float32)
    downmix = Downmix(names, rate)
    return np.concatenate([downmix.push(data[:, i : i + n]) for i in range(0, data.shape[1], n)])


def db(samples: Samples) -> float:
    return float(10 * np.log10(np.mean(np.square(samples, dtype=float)) + 1e-20))


def noise(like: Samples, level: float, seed: int = 0) -> Samples:
    rng = np.random.default_rng(seed)
    return (level * rng.standard_normal(len(like))).astype(np.float32)


@pytest.mark.parametrize("other", [-1.0, -0.8, -0.5])
@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100, 192_000])
def test_a_voice_in_opposite_phase_is_kept(beckett: Samples, other: float, rate: int) -> None:
    speech = beckett[: 16_000 * 4]
    out = mixed([speech, other * speech], rate=rate)
    assert db(out) > db(speech) - 6.5


def test_noise_and_hum_do_not_hide_a_cancelled_voice(beckett: Samples) -> None:
    hum = 0.05 * np.sin(2 * np.pi * 50 * np.arange(len(beckett)) / 16_000)
    hiss = noise(beckett, 0.002)
    out = mixed([beckett + hum + hiss, hum - beckett - hiss[::-1]])
    delay = 64  # of the phase-shifted part, at this rate
    assert np.vdot(out[delay:], beckett[:-delay]) > 0.4 * np.vdot(beckett, beckett)


@pytest.mark.parametrize("other", ["same", "silent", "noise", "quiet", "later", "somebody"])
def test_ordinary_stereo_is_the_plain_mean_bit_for_bit(beckett: Samples, other: str) -> None:
    right = {
        "same": beckett, "silent": 0 * beckett, "noise": noise(beckett, 0.3),
        "quiet": 0.1 * beckett, "later": np.roll(beckett, 1), "somebody": beckett[::-1],
    }[other]  # fmt: skip
    plain = (beckett + right.astype(np.float32)) / np.float32(2)
    assert np.array_equal(mixed([beckett, right]), plain)


def test_a_voice_whose_phase_flips_neither_vanishes_nor_clicks(beckett: Samples) -> None:
    speech = np.sin(2 * np.pi * 300 * np.arange(16_000 * 9) / 16_000).astype(np.float32)
    other = speech.copy()
    other[16_000 * 3 : 16_000 * 6] *= -1
    out = mixed([speech, other])
    levels = [db(part) for part in out.reshape(-1, 1600)]
    assert sum(level < db(speech) - 6 for level in levels) <= 1
    inside = np.r_[np.diff(out[: 16_000 * 3 - 9]), np.diff(out[16_000 * 3 + 9 : 16_000 * 6 - 9])]
    assert np.abs(inside).max() < 1.1 * np.abs(np.diff(speech)).max()
    assert np.array_equal(out[-16_000:], speech[-16_000:])


def test_frames_of_any_length_give_the_same_samples(beckett: Samples) -> None:
    speech = beckett[: 16_000 * 3]
    channels = [speech, np.where(np.arange(len(speech)) < 20_000, speech, -speech)]
    whole = mixed(channels, n=len(speech))
    for n in (37, 1333):
        assert np.array_equal(mixed(channels, n=n), whole)


@pytest.mark.parametrize("layout", ["5.1", "5.1(side)", "7.1", "7.1(wide)", "hexagonal", "22.2"])
def test_the_centre_voice_is_louder_than_noise_in_other_channels(
    layout: str, beckett: Samples
) -> None:
    """All channels but the centre contain noise as loud as the voice."""
    names = [channel.name for channel in av.AudioLayout(layout).channels]
    level = float(np.sqrt(np.mean(beckett**2)))
    channels = [noise(beckett, level, i) for i in range(len(names))]
    channels[names.index("FC")] = beckett
    out = mixed(channels, names)
    voice = np.vdot(out, beckett) / np.vdot(beckett, beckett) * beckett
    assert db(voice) - db(out - voice) > 0.0


@pytest.mark.parametrize("layout", ["5.1", "5.1(side)", "quad", "3.0", "5.0", "2.1"])
def test_a_layout_is_mixed_as_ffmpeg_does_but_for_a_stronger_centre(layout: str) -> None:
    names = [channel.name for channel in av.AudioLayout(layout).channels]
    theirs = []
    for i in range(len(names)):
        data = np.zeros((len(names), 480), np.float32)
        data[i] = 0.5
        frame = av.AudioFrame.from_ndarray(data, format="fltp", layout=layout)
        frame.sample_rate = 48_000
        [mono] = av.AudioResampler("s16p", "mono", 48_000).resample(frame)
        theirs.append(float(mono.to_ndarray()[0, 0]))
    expected = np.array(theirs)
    if "FC" in names:
        expected[[name != "FC" for name in names]] *= 0.6
    assert mix_weights(names) == pytest.approx(expected / expected.sum(), abs=0.002)


def test_the_low_frequency_channel_is_left_out_unless_it_is_the_only_one() -> None:
    assert mix_weights(["FL", "FR", "LFE"]).tolist() == [0.5, 0.5, 0.0]
    assert mix_weights(["LFE"]).tolist() == [1.0]
    assert mix_weights(["AMBI0", "AMBI1", "AMBI2", "AMBI3"]).tolist() == [1.0, 0.0, 0.0, 0.0]


@pytest.mark.parametrize("n", [2, 3, 4, 6, 8, 16])
def test_no_channel_without_a_position_is_left_out(n: int) -> None:
    assert (mix_weights(["NONE"] * n) > 0).all()


@pytest.mark.parametrize("layout", ["5.1", "quad", "3.0", "7.1", "4 channels", "FL+FC"])
def test_no_two_channels_of_any_layout_cancel(layout: str, beckett: Samples) -> None:
    names = [channel.name for channel in av.AudioLayout(layout).channels]
    speech = beckett[: 16_000 * 2]
    counted = [i for i, weight in enumerate(mix_weights(names)) if weight]
    for a in counted:
        for b in counted[:a]:
            channels = [0 * speech] * len(names)
            channels[a], channels[b] = speech, -speech
            alone = db(float(mix_weights(names)[[a, b]].max()) * speech)
            assert db(mixed(channels, names)) > alone - 13, (names[a], names[b])


def test_a_stream_keeps_a_voice_in_opposite_phase(beckett: Samples) -> None:
    resampler, out = Resampler(), []
    for at in range(0, 16_000 * 3, 320):
        piece = beckett[at : at + 320]
        frame = av.AudioFrame.from_ndarray(np.stack([piece, -piece]), "fltp", "stereo")
        frame.sample_rate = 16_000
        out.append(resampler.push(frame))
    assert db(np.concatenate(out)) > db(beckett[: 16_000 * 3]) - 4
