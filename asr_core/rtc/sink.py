"""The end of a connection's track: frames go into takes, on the event loop.

Nothing is made before a track is there: no thread, no descriptor, nothing to clear away.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import cast

import av
from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError

from asr_core.live import Takes
from asr_core.live.takes import Connection

__all__ = ["TakesSink"]

logger = logging.getLogger(__name__)


class TakesSink:
    """For one connection. What streamlit-webrtc calls a media sink, with its names.

    ``open`` and ``stop`` may be called by any thread, the others by the event loop.
    """

    def __init__(self, takes: Takes) -> None:
        self._takes = takes
        self._connection: Connection | None = None
        self._track: MediaStreamTrack | None = None
        self._task: asyncio.Task[None] | None = None
        self._has_failed = False

    def open(self, connection: Connection) -> None:
        """Announce the connection before anything is made for it.

        Raises:
            LimitError: there is no room for it.
        """
        self._takes.on_connecting(connection)
        self._connection = connection

    def addTrack(self, track: MediaStreamTrack) -> None:  # noqa: N802
        """Take the track whose frames are wanted; a second one is left alone."""
        if self._track is None:
            self._track = track

    def hasTrack(self) -> bool:  # noqa: N802
        """Whether there is anything to start with."""
        return self._track is not None

    def start(self) -> None:
        """Read the track until it ends."""
        if self._track is not None and self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._read(self._track))
            self._task.add_done_callback(lambda _: self._end())

    def stop(self) -> None:
        """Read no more."""
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
                self._takes.on_frame(cast(av.AudioFrame, frame), self._connection)
            except Exception:
                # One frame is lost; a sender of bad ones is not to fill the log.
                if not self._has_failed:
                    logger.exception("A frame of sound was not heard")
                self._has_failed = True

    def _end(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            self._takes.on_ended(connection)
            connection.hang_up()  # without its sound it is of no use
