"""This project's live session, as the page runs it."""

import sys
import threading
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
    speaker = threading.Thread(target=page.speak, args=(samples, session.append))
    speaker.start()
    while not session.is_done:
        _show(session, page)
        time.sleep(0.02)
        if not speaker.is_alive():
            session.finish()
    _show(session, page)


def _show(session: LiveSession, page: Page) -> None:
    snapshot = session.snapshot
    final = "".join(word.text for word in snapshot.committed_words)
    page.show(final, "".join(word.text for word in snapshot.tentative))


play(listen)
