"""WhisperLiveKit with faster-whisper and LocalAgreement.

Its other policy, SimulStreaming, needs OpenAI's checkpoints.
"""

import asyncio
import logging

from player import CHUNK_S, Display, Samples, as_int16, model_directory, play
from whisperlivekit.test_harness import TestHarness

logging.disable(logging.INFO)


async def listen(samples: Samples, display: Display) -> None:
    async with TestHarness(
        model_path=model_directory(),
        lan="en",
        backend="faster-whisper",
        backend_policy="localagreement",
        pcm_input=True,
    ) as harness:
        harness.on_update(
            lambda state: display.show(state.committed_text, state.buffer_transcription)
        )
        display.speak(samples[:0], lambda _: None)  # starts the clock
        await harness.feed_pcm(as_int16(samples), speed=1.0, chunk_duration=CHUNK_S)
        final = await harness.finish()
        display.show(final.text, "")


play(lambda samples, display: asyncio.run(listen(samples, display)))
