"""Checks that streamlit-webrtc (0.79) lacks, and connections that close when asked to."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Any

import streamlit as st
from aiortc import RTCSessionDescription
from streamlit_webrtc import WebRtcStreamerState, component
from streamlit_webrtc.component import generate_frontend_component_key
from streamlit_webrtc.webrtc import SignallingTimeoutError, WebRtcWorker

from asr_core.errors import AsrError
from asr_core.rtc.jitter_buffer import AudioJitterBuffer
from asr_core.rtc.offers import OfferError, PeerAddressPolicy, filter_candidates, validate_offer
from asr_core.rtc.packet_limiter import PacketLimiter
from asr_core.streaming.recording_sink import RecordingSink
from asr_core.workarounds.aiortc_receiver import (
    install_audio_jitter_buffer,
    install_packet_filter,
)

__all__ = ["harden_webrtc", "keep_mounted"]

logger = logging.getLogger(__name__)


class _HardenedWorker(WebRtcWorker[Any, Any]):
    """Connection that checks the browser's offer first and that any thread can close."""

    _n_candidates = 0  # in the offer

    def process_offer(
        self, sdp: str, type_: str, timeout: float | None = None
    ) -> RTCSessionDescription:
        """Return the answer to the browser's offer.

        Raises:
            AsrError: the offer is refused, there is no capacity, or it cannot be answered.
        """
        try:
            offer = validate_offer(sdp, type_, PeerAddressPolicy.from_settings())
            self._n_candidates = offer.count("a=candidate:")
            if isinstance(self.sink_audio_track, RecordingSink):
                self.sink_audio_track.open(self)
            return super().process_offer(offer, type_, timeout)
        except AsrError:
            self.stop()
            raise
        except SignallingTimeoutError as error:
            raise OfferError(
                "The audio connection timed out because the server is busy. "
                "Press START again in a moment."
            ) from error
        except Exception as error:
            self.stop()
            logger.warning("An offer was not answered: %s: %r", type(error).__name__, str(error))
            raise OfferError(
                "The audio connection failed: the server did not understand the browser's offer. "
                "Reload the page, or try another browser."
            ) from error

    def set_ice_candidates_from_offerer(self, candidates: Any) -> None:
        """Add the browser's candidates that are new and allowed."""
        known = self._added_ice_candidate_ids
        if isinstance(candidates, dict):
            new = {name: given for name, given in candidates.items() if name not in known}
            n_before = self._n_candidates + len(known)
            checked = filter_candidates(new, PeerAddressPolicy.from_settings(), n_before)
            if checked:
                super().set_ice_candidates_from_offerer(checked)

    def hang_up(self) -> None:
        """Close the connection and everything that belongs to it, soon. Any thread may call."""
        if self.pc.connectionState == "closed":
            return
        with contextlib.suppress(RuntimeError):  # the loop has already ended
            asyncio.run_coroutine_threadsafe(self._close(), self._loop)

    async def _close(self) -> None:
        await self.pc.close()
        self.stop()


def _parse_state(value: Any) -> WebRtcStreamerState:
    """Return the component's state from what the browser sent, which may be anything."""
    value = value if isinstance(value, dict) else {}
    return WebRtcStreamerState(
        playing=value.get("playing") is True, signalling=bool(value.get("sdpOffer"))
    )


def _unchanged(configuration: Any) -> Any:
    return configuration


def harden_webrtc() -> None:
    """Validate what browsers send to streamlit-webrtc and aiortc. A second call does nothing.

    streamlit-webrtc accepts every offer and candidate, fails on state that is not a dictionary
    before a page can catch it, and caches every list of ICE servers without a bound although each
    connection has credentials of its own.
    """
    vars(component).update(
        WebRtcWorker=_HardenedWorker,
        compile_state=_parse_state,
        enhance_frontend_rtc_configuration=_unchanged,
    )
    install_audio_jitter_buffer(AudioJitterBuffer)
    install_packet_filter(lambda: PacketLimiter().judge)


def keep_mounted(key: str) -> None:
    """Keep streamlit-webrtc from closing a connection whose component is still on the page.

    It takes the page for left and revisited when Streamlit's run count has advanced by two since
    the component was drawn. On a busy machine the count arrives late, so a visitor who had just
    pressed START was disconnected again and again. Streamlit itself forgets a component's state
    with the first full run that does not draw it.
    """
    context = st.session_state.get(key)
    if context is not None and generate_frontend_component_key(key) in st.session_state:
        context._last_rendered_run_count = None
