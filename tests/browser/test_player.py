"""Our clock of a file is that of the page's player: the same audio at the same time."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable

import pytest
from playwright.sync_api import Browser

from asr_core.audio.decode import decode
from tests.support.recordings import bursts, onset_times, recorded

_SOUND = bursts(2)
_AT_3, _AT_10 = [(3.0, _SOUND)], [(10.0, _SOUND)]
_GAP = [(0.0, _SOUND), (9.0, _SOUND)]

RECORDINGS = {
    "MP4 whose sound starts late": ("video/mp4", recorded("mp4", "aac", _AT_3, picture=(0, 6))),
    "MP4 with a gap": ("video/mp4", recorded("mp4", "aac", _GAP)),
    "WebM whose sound starts late": (
        "video/webm",
        recorded("webm", "libopus", _AT_3, picture=(0, 6)),
    ),
    "WebM from 10 s on": ("video/webm", recorded("webm", "libopus", _AT_10)),
    "WebM with a gap": ("video/webm", recorded("webm", "libopus", _GAP)),
    "Ogg from 10 s on": ("audio/ogg", recorded("ogg", "libopus", _AT_10)),
    "MP3": ("audio/mpeg", recorded("mp3", "libmp3lame", [(0.0, _SOUND)])),
    "ADTS": ("audio/aac", recorded("adts", "aac", [(0.0, _SOUND)])),
}

_PLAYED_AT = """async ([kind, base64, from]) => {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  const player = document.createElement("video");
  player.src = URL.createObjectURL(new Blob([bytes], { type: kind }));
  await new Promise((done, failed) => {
    player.onloadeddata = done;
    player.onerror = () => failed(new Error(player.error.message));
  });
  player.currentTime = from;
  await new Promise((done) => { player.onseeked = done; });
  const context = new AudioContext();
  const meter = context.createScriptProcessor(512, 1, 1);
  const heard = new Promise((done) => {
    meter.onaudioprocess = (event) => {
      const loudest = Math.max(...event.inputBuffer.getChannelData(0).map(Math.abs));
      if (loudest > 0.1) done(player.currentTime);
    };
  });
  context.createMediaElementSource(player).connect(meter);
  meter.connect(context.destination);
  await context.resume();
  await player.play();
  const late = new Promise((done) => setTimeout(() => done(-1), 5000));
  const at = await Promise.race([heard, late]);
  player.pause();
  await context.close();
  return at;
}"""


def test_audio_lies_at_the_time_at_which_the_player_plays_it(
    launch: Callable[..., Browser],
) -> None:
    """Played from half a second before our last burst, it is heard half a second later."""
    page = launch(None, switches=["--autoplay-policy=no-user-gesture-required"]).new_page()
    ours, played = {}, {}
    for kind, (media, data) in RECORDINGS.items():
        ours[kind] = onset_times(decode(io.BytesIO(data)))[-1]
        arguments = [media, base64.b64encode(data).decode(), ours[kind] - 0.5]
        played[kind] = page.evaluate(_PLAYED_AT, arguments)
    assert played == pytest.approx(ours, abs=0.1)
