"""WhisperLiveKit with faster-whisper and LocalAgreement, which these weights run on.

Its other policy, SimulStreaming, wants OpenAI's checkpoints.
"""

import asyncio
import logging

from player import CHUNK_S, Page, Samples, as_int16, model_directory, play
from whisperlivekit.test_harness import TestHarness

logging.disable(logging.INFO)


async def hear(samples: Samples, page: Page) -> None:
    async with TestHarness(
        model_path=model_directory(),
        lan="en",
        backend="faster-whisper",
        backend_policy="localagreement",
        pcm_input=True,
    ) as harness:
        harness.on_update(lambda state: page.show(state.committed_text, state.buffer_transcription))
        page.speak(samples[:0], lambda _: None)  # starts the clock
        await harness.feed_pcm(as_int16(samples), speed=1.0, chunk_duration=CHUNK_S)
        final = await harness.finish()
        page.show(final.text, "")


play(lambda samples, page: asyncio.run(hear(samples, page)))
