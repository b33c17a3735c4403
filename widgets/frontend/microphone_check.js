const NOT_SECURE = "The browser only allows the microphone on secure pages. Open this page at " +
  "https://… or, on the machine that runs it, at http://localhost:8501.";
const REFUSED = "The browser is blocking the microphone for this page. Allow it with the icon " +
  "next to the address, then press START again.";
const NONE = "No microphone was found. Connect one, or enable it in the system settings, " +
  "then press START.";

export default function ({ parentElement: root }) {
  const show = (text) => {
    const p = root.querySelector("p");
    if (p.textContent !== text) p.textContent = text;
  };
  const media = navigator.mediaDevices;
  if (!window.isSecureContext || !media) { show(NOT_SECURE); return; }
  let permission = null;
  const check = async () => {
    if (permission && permission.state === "denied") { show(REFUSED); return; }
    const devices = await media.enumerateDevices();
    show(devices.some((device) => device.kind === "audioinput") ? "" : NONE);
  };
  const ask = navigator.permissions
    ? navigator.permissions.query({ name: "microphone" }).then((status) => {
        permission = status;
        status.onchange = check;
      }).catch(() => {})  // a browser without this permission name
    : Promise.resolve();
  ask.then(check);
  media.addEventListener("devicechange", check);
  return () => {
    media.removeEventListener("devicechange", check);
    if (permission) permission.onchange = null;
  };
}
