"""What streamlit-webrtc 0.79 lacks: checks before it acts, and ends that are ends."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Any

from aiortc import RTCSessionDescription
from streamlit_webrtc import WebRtcStreamerState, component
from streamlit_webrtc.webrtc import SignallingTimeoutError, WebRtcWorker

from asr_core.audio.packets import receive_packets_in_order
from asr_core.errors import AsrError
from asr_core.rtc.inflow import bound_what_comes_in
from asr_core.rtc.offers import OfferError, PeerAddresses, checked_candidates, checked_offer
from asr_core.rtc.sink import TakesSink

__all__ = ["guard_connections"]

logger = logging.getLogger(__name__)


class _GuardedWorker(WebRtcWorker[Any, Any]):
    """A connection whose offer is checked first, and that can be hung up from any thread."""

    _n_candidates = 0  # in the offer

    def process_offer(
        self, sdp: str, type_: str, timeout: float | None = None
    ) -> RTCSessionDescription:
        """Answer the browser's offer.

        Raises:
            AsrError: it is refused, there is no room, or it could not be answered.
        """
        try:
            offer = checked_offer(sdp, type_, PeerAddresses.read())
            self._n_candidates = offer.count("a=candidate:")
            if isinstance(self.sink_audio_track, TakesSink):
                self.sink_audio_track.open(self)
            return super().process_offer(offer, type_, timeout)
        except AsrError:
            self.stop()
            raise
        except SignallingTimeoutError as error:
            raise OfferError(
                "The connection for the sound was not made in time: the server has much to do. "
                "Press START again in a moment."
            ) from error
        except Exception as error:
            self.stop()
            logger.warning("An offer was not answered: %s: %r", type(error).__name__, str(error))
            raise OfferError(
                "The connection for the sound could not be made: the server did not understand "
                "the browser's offer. Load the page again, or try another browser."
            ) from error

    def set_ice_candidates_from_offerer(self, candidates: Any) -> None:
        """Try the browser's addresses, those that are new and allowed."""
        known = self._added_ice_candidate_ids
        if isinstance(candidates, dict):
            new = {name: given for name, given in candidates.items() if name not in known}
            n_before = self._n_candidates + len(known)
            checked = checked_candidates(new, PeerAddresses.read(), n_before)
            if checked:
                super().set_ice_candidates_from_offerer(checked)

    def hang_up(self) -> None:
        """Close the connection and all that belongs to it, soon; any thread may call."""
        if self.pc.connectionState == "closed":
            return
        with contextlib.suppress(RuntimeError):  # the loop has ended, and all with it
            asyncio.run_coroutine_threadsafe(self._close(), self._loop)

    async def _close(self) -> None:
        await self.pc.close()
        self.stop()


def _state_of(value: Any) -> WebRtcStreamerState:
    """Read the component's state from what came from the browser, which may be anything."""
    value = value if isinstance(value, dict) else {}
    return WebRtcStreamerState(
        playing=value.get("playing") is True, signalling=bool(value.get("sdpOffer"))
    )


def guard_connections() -> None:
    """Have streamlit-webrtc 0.79 and aiortc 1.16 keep to what this app allows; again is fine.

    The first takes every offer and candidate as it comes, trips over state that is no
    dictionary before any page can catch it, and remembers every list of ICE servers, whose
    names change with each connection, in a cache without an end.
    """
    component.WebRtcWorker = _GuardedWorker
    component.compile_state = _state_of
    component.enhance_frontend_rtc_configuration = lambda configuration: configuration
    receive_packets_in_order()
    bound_what_comes_in()
