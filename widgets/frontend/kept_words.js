import { copy } from "./clipboard.js";

export default function ({ data, parentElement: root }) {
  const $ = (selector) => root.querySelector(selector);
  const all = Object.keys(sessionStorage).filter((key) => key.startsWith(data.prefix));
  const isOurs = (key) => key.startsWith(data.session);
  all.filter((key) => isOurs(key) && !data.recordings.includes(key)).forEach(remove);
  const old = all.filter((key) => !isOurs(key))
    .map((key) => ({ key, ...JSON.parse(sessionStorage.getItem(key)) }))
    .sort((one, other) => one.at - other.at);
  const text = old.map((recording) => recording.text).join("\n\n");
  $(".kept").hidden = !old.length;
  $(".recordings").replaceChildren(...old.map(element));
  $(".copy").onclick = () => copy($(".copy"), text);
  $(".save").onclick = () => save(text);
  $(".discard").onclick = () => { old.forEach((recording) => remove(recording.key)); $(".kept").hidden = true; };
}

function remove(key) { sessionStorage.removeItem(key); }

function element(recording) {
  const p = document.createElement("p"), time = document.createElement("time");
  time.textContent = "until " + new Date(recording.at).toLocaleTimeString([], { timeStyle: "short" });
  p.append(time, "\n", recording.text);
  return p;
}

function save(text) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text + "\n"], { type: "text/plain" }));
  link.download = "kept-words.txt";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}
