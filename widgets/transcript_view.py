"""The words on the page: lines with their times, live or finished.

One component draws both. It keeps the lines it has, so a live page sends only
the newest ones, whatever the length of the session.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from asr_core.live import Phase, Snapshot
from asr_core.subtitles import label
from asr_core.transcript import Segment, join_words
from widgets.clipboard import COPY_JS
from widgets.kept_words import KEEP_JS, key_in_tab
from widgets.looks import BUTTON_CSS

__all__ = ["finished_view", "growing_view", "line_clock", "live_view"]

_TAIL_LINES = 20
"""Finished lines sent with each update of a page that grows."""

_BEHIND_S = 2.0
"""From this lag on the page says so; below it is the pace of the updates."""

_HTML = """
<div class="head" hidden>
  <span class="dot"></span><span class="status" role="status"></span>
  <span class="meter" role="meter" aria-label="Microphone level" aria-valuemin="-60"
    aria-valuemax="0"><i></i></span>
  <span class="clock"></span>
</div>
<div class="box" tabindex="0" role="log" aria-live="polite" aria-label="Transcript">
  <p class="empty"></p><div class="lines"></div>
  <p class="line open" hidden><time></time><span><span class="committed"></span><span
    class="tentative" aria-live="off"></span></span></p>
</div>
<div class="foot"><button type="button" class="down" hidden>Newest ↓</button><button
  type="button" class="copy" hidden>Copy</button></div>
"""

_CSS = """
:host { display: block; }
.head { display: flex; align-items: center; gap: .6rem; flex-wrap: wrap; margin-bottom: .5rem;
  font-size: .9rem; color: var(--st-text-color); }
.head[hidden] { display: none; }
.dot { width: .6rem; height: .6rem; border-radius: 50%; background: #888; flex: none; }
.dot.on { background: #dc2626; }
.dot.busy { background: #d97706; }
.status { flex: 1 1 8rem; }
.meter { width: 7rem; height: .5rem; border-radius: .25rem; overflow: hidden;
  background: var(--st-secondary-background-color); border: 1px solid var(--st-border-color); }
.meter i { display: block; height: 100%; width: 0; background: #16a34a; transition: width .2s; }
.meter i.hot { background: #dc2626; }
.clock { font-variant-numeric: tabular-nums; }
.box { max-height: 55vh; overflow-y: auto; padding: .75rem 1rem; border-radius: .5rem;
  border: 1px solid var(--st-border-color); line-height: 1.6; color: var(--st-text-color);
  overflow-wrap: anywhere; }
.empty { margin: 0; opacity: .7; } .empty[hidden] { display: none; }
.line { display: flex; gap: .75rem; margin: 0 0 .35rem; }
.line[hidden] { display: none; }
.line time { flex: none; min-width: 3.2em; opacity: .65; font-size: .85em; padding-top: .15em;
  font-variant-numeric: tabular-nums; }
.tentative { opacity: .6; font-style: italic; }
.foot { display: flex; justify-content: flex-end; gap: .5rem; margin-top: .35rem; min-height: 0; }
"""

_JS = """
const shown = new WeakMap();

export default function ({ data, parentElement: root, setTriggerValue }) {
  const $ = (selector) => root.querySelector(selector);
  const box = $(".box");
  let state = shown.get(root);
  if (!state || state.id !== data.id) {
    state = { id: data.id, n: 0, follow: true };
    shown.set(root, state);
    $(".lines").replaceChildren();
    box.onscroll = () => {
      state.follow = box.scrollHeight - box.scrollTop - box.clientHeight < 40;
      $(".down").hidden = state.follow;
    };
    $(".down").onclick = () => { box.scrollTop = box.scrollHeight; };
    $(".copy").onclick = () => copy($(".copy"), text(root));
  }
  if (data.first > state.n) { setTriggerValue("resend", data.id); return; }
  for (const line of data.lines.slice(state.n - data.first)) {
    $(".lines").append(lineElement(line));
    state.n += 1;
  }
  const open = $(".open");
  open.hidden = !(data.committed || data.tentative);
  open.querySelector("time").textContent = data.openTime || "";
  grow($(".committed"), data.committed || "");
  $(".tentative").textContent = data.tentative || "";
  $(".empty").textContent = data.empty || "";
  $(".empty").hidden = state.n > 0 || !open.hidden;
  $(".copy").hidden = !(state.n > 0 || data.committed);
  drawHead(root, data.head);
  if (data.keep) keep(state, data.keep, `${state.n} ${data.committed || ""}`, () => text(root));
  if (data.live && state.follow) box.scrollTop = box.scrollHeight;
}

function lineElement(line) {
  const p = document.createElement("p"), time = document.createElement("time");
  const span = document.createElement("span");
  p.className = "line";
  time.textContent = line.time;
  span.textContent = line.text;
  p.append(time, span);
  return p;
}

function grow(element, text) {
  // New words are added as nodes of their own, so that only they are read out.
  const old = element.textContent;
  if (text === old) return;
  if (old && text.startsWith(old)) element.append(document.createTextNode(text.slice(old.length)));
  else element.textContent = text;
}

function drawHead(root, head) {
  root.querySelector(".head").hidden = !head;
  if (!head) return;
  root.querySelector(".dot").className = "dot " + head.dot;
  const status = root.querySelector(".status");
  if (status.textContent !== head.status) status.textContent = head.status;
  root.querySelector(".clock").textContent = head.clock;
  const meter = root.querySelector(".meter"), bar = meter.firstElementChild;
  meter.setAttribute("aria-valuenow", Math.round(head.level));
  bar.style.width = Math.max(0, Math.min(100, (head.level + 60) / 0.6)) + "%";
  bar.className = head.level > -3 ? "hot" : "";
}

function text(root) {
  const lines = [...root.querySelectorAll(".lines .line span")].map((span) => span.textContent);
  const open = root.querySelector(".committed").textContent;
  return [...lines, open].filter(Boolean).join("\\n");
}
"""

_component = st.components.v2.component(
    "transcript_view", html=_HTML, css=BUTTON_CSS + _CSS, js=_JS + COPY_JS + KEEP_JS
)


def finished_view(name: str, segments: Sequence[Segment], empty: str) -> None:
    """All lines of a take; ``empty`` stands there if it has none."""
    lines = _lines(segments)
    _component(
        data={"id": name, "first": 0, "lines": lines, "empty": empty, "keep": key_in_tab(name)},
        key=f"view-{name}",
        on_resend_change=_nothing,
    )


def live_view(name: str, snapshot: Snapshot, empty: str, remaining_s: float | None) -> None:
    """A take that runs or is being finished: meter, clock, state and words."""
    _growing(
        name,
        snapshot.utterances,
        {
            "openTime": _time(snapshot.committed, snapshot.tentative),
            "committed": join_words(snapshot.committed),
            "tentative": _tentative(snapshot),
            "empty": empty,
            "head": _head(snapshot, remaining_s),
            "keep": key_in_tab(name),
        },
    )


def growing_view(name: str, segments: Sequence[Segment]) -> None:
    """The lines of a file that is being transcribed."""
    _growing(name, segments, {})


def _growing(name: str, segments: Sequence[Segment], rest: dict[str, Any]) -> None:
    """Send the newest lines, and all if the browser asked for them."""
    resend_key = f"resend-{name}"
    whole = st.session_state.pop(resend_key, False)
    first = 0 if whole else max(0, len(segments) - _TAIL_LINES)
    lines = _lines(segments[first:])
    result = _component(
        data={"id": name, "live": True, "first": first, "lines": lines, **rest},
        key=f"view-{name}",
        on_resend_change=_nothing,
    )
    if result.resend:
        st.session_state[resend_key] = True


def _nothing() -> None:
    """Streamlit wants a callback for a trigger to be delivered."""


def _lines(segments: Sequence[Segment]) -> list[dict[str, str]]:
    return [
        {"time": line_clock(segment.start), "text": label(segment.speaker) + segment.text}
        for segment in segments
    ]


def _time(*words: Sequence[Any]) -> str:
    first = next((some[0] for some in words if some), None)
    return line_clock(first.start) if first else ""


def _tentative(snapshot: Snapshot) -> str:
    text = "".join(word.text for word in snapshot.tentative)
    return text if snapshot.committed else text.strip()


def _head(snapshot: Snapshot, remaining_s: float | None) -> dict[str, Any]:
    finishing = snapshot.phase is not Phase.LISTENING
    status = "Finishing the last words …" if finishing else "Listening"
    if snapshot.lag_s > _BEHIND_S:
        status += f" · behind by {snapshot.lag_s:.1f} s"
    if remaining_s is not None and not finishing:
        status += f" · stops in {line_clock(max(0.0, remaining_s))}"
    return {
        "status": status,
        "dot": "busy" if finishing or snapshot.lag_s > _BEHIND_S else "on",
        "clock": line_clock(snapshot.audio_s),
        "level": -60.0 if finishing else snapshot.level_dbfs,
    }


def line_clock(seconds: float) -> str:
    """The time of a line: ``0:07``, ``1:02:07``."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
