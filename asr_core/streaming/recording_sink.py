"""Sink of a connection's audio track: its frames go into a recording, on the event loop.

Nothing is created before there is a track: no thread, no descriptor, nothing to clean up.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import cast

import av
from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError

from asr_core.streaming import RecordingController
from asr_core.streaming.recording_controller import Connection

__all__ = ["RecordingSink"]

logger = logging.getLogger(__name__)


class RecordingSink:
    """Media sink of streamlit-webrtc, with its method names, for one connection.

    ``open`` and ``stop`` may be called by any thread, the others by the event loop.

    Args:
        controller: of the page's recordings.
    """

    def __init__(self, controller: RecordingController) -> None:
        self._controller = controller
        self._connection: Connection | None = None
        self._track: MediaStreamTrack | None = None
        self._task: asyncio.Task[None] | None = None
        self._has_failed = False

    def open(self, connection: Connection) -> None:
        """Announce the connection before anything is created for it.

        Raises:
            LimitError: there is no room for it.
        """
        self._controller.on_connecting(connection)
        self._connection = connection

    def addTrack(self, track: MediaStreamTrack) -> None:  # noqa: N802
        """Use the first track; ignore others."""
        if self._track is None:
            self._track = track

    def hasTrack(self) -> bool:  # noqa: N802
        """Return True if there is a track."""
        return self._track is not None

    def start(self) -> None:
        """Read the track until it ends."""
        if self._track is not None and self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._read(self._track))
            self._task.add_done_callback(lambda _: self._end())

    def stop(self) -> None:
        """Stop reading."""
        task, self._track = self._task, None
        if task is None:
            self._end()
        else:
            with contextlib.suppress(RuntimeError):  # the loop has ended, and the task with it
                task.get_loop().call_soon_threadsafe(task.cancel)

    async def _read(self, track: MediaStreamTrack) -> None:
        while True:
            try:
                frame = await track.recv()
            except MediaStreamError:
                return
            try:
                self._controller.on_frame(cast(av.AudioFrame, frame), self._connection)
            except Exception:
                # One frame is lost; a sender of many bad ones must not fill the log.
                if not self._has_failed:
                    logger.exception("A frame of audio could not be used")
                self._has_failed = True

    def _end(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            self._controller.on_ended(connection)
            connection.hang_up()  # it is of no use without its audio
