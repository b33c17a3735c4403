import { copy } from "./clipboard.js";
import { keep } from "./tab_storage.js";

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
    $(".copy").onclick = () => copy($(".copy"), shownText(root));
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
  if (data.keep) keep(state, data.keep, `${state.n} ${data.committed || ""}`, () => shownText(root));
  if (data.live && state.follow) box.scrollTop = box.scrollHeight;
}

function lineElement(line) {
  const p = document.createElement("p"), time = document.createElement("time");
  const span = document.createElement("span");
  p.className = "line";
  time.textContent = line.time;
  span.append(...(line.words ? line.words.map(wordNode) : [line.text]));
  p.append(time, span);
  return p;
}

function wordNode([text, isChanged]) {
  if (!isChanged) return document.createTextNode(text);
  const mark = document.createElement("mark");
  mark.textContent = text;
  return mark;
}

function grow(element, text) {
  // New words are nodes of their own, so that a screen reader announces only them.
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

function shownText(root) {
  const lines = [...root.querySelectorAll(".lines .line span")].map((span) => span.textContent);
  const open = root.querySelector(".committed").textContent;
  return [...lines, open].filter(Boolean).join("\n");
}
