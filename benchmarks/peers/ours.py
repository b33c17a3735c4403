"""This project's live session, as the page runs it."""

import sys
import time
from pathlib import Path

from player import Page, Samples, play

sys.path.insert(0, str(Path(__file__).parents[2]))

from asr_core.engines.onnx import OnnxEngine
from asr_core.live import LiveOptions, LiveSession, Scheduler

engine = OnnxEngine(Path(sys.argv[2]), n_threads=2)
engine.warm_up()
scheduler = Scheduler(engine)


def listen(samples: Samples, page: Page) -> None:
    session = LiveSession(LiveOptions(language="en"))
    scheduler.add(session)

    def show() -> None:
        snapshot = session.snapshot
        final = "".join(word.text for word in snapshot.committed_words)
        page.show(final, "".join(word.text for word in snapshot.tentative))

    def hear(chunk: Samples) -> None:
        session.append(chunk)
        show()

    page.speak(samples, hear)
    session.finish()
    while not session.is_done:
        show()
        time.sleep(0.02)
    show()


play(listen)
