const NOT_SECURE = "The browser gives no microphone to this page, because it is not on https. " +
  "Open it as https://… or, on the machine it runs on, as http://localhost:8501.";
const REFUSED = "The browser refuses the microphone to this page. Allow it with the icon beside " +
  "the address, then press START again.";
const NONE = "No microphone was found. Plug one in, or switch it on in the system's settings, " +
  "then press START.";

export default function ({ parentElement: root }) {
  const say = (text) => {
    const p = root.querySelector("p");
    if (p.textContent !== text) p.textContent = text;
  };
  const media = navigator.mediaDevices;
  if (!window.isSecureContext || !media) { say(NOT_SECURE); return; }
  let permission = null;
  const look = async () => {
    if (permission && permission.state === "denied") { say(REFUSED); return; }
    const devices = await media.enumerateDevices();
    say(devices.some((device) => device.kind === "audioinput") ? "" : NONE);
  };
  const ask = navigator.permissions
    ? navigator.permissions.query({ name: "microphone" }).then((status) => {
        permission = status;
        status.onchange = look;
      }).catch(() => {})  // a browser that does not know this name
    : Promise.resolve();
  ask.then(look);
  media.addEventListener("devicechange", look);
  return () => {
    media.removeEventListener("devicechange", look);
    if (permission) permission.onchange = null;
  };
}
