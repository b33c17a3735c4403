"""Our live session, as the page runs it."""

import sys
import threading
import time
from pathlib import Path

from player import Display, Samples, play

sys.path.insert(0, str(Path(__file__).parents[2]))

from asr_core.engines.onnx.engine import OnnxEngine
from asr_core.streaming import LiveOptions, LiveSession, Scheduler

engine = OnnxEngine(Path(sys.argv[2]), n_threads=2)
engine.warm_up()
scheduler = Scheduler(engine)


def listen(samples: Samples, display: Display) -> None:
    session = LiveSession(LiveOptions(language="en"))
    scheduler.add(session)
    speaker = threading.Thread(target=display.speak, args=(samples, session.append))
    speaker.start()
    while not session.is_done:
        _show(session, display)
        time.sleep(0.02)
        if not speaker.is_alive():
            session.finish()
    _show(session, display)


def _show(session: LiveSession, display: Display) -> None:
    snapshot = session.snapshot
    final = "".join(word.text for word in snapshot.committed_words)
    display.show(final, "".join(word.text for word in snapshot.tentative))


play(listen)
