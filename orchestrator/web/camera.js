/** Taking a photo: with the phone's own camera app, or with a webcam and a ring to put the eye into. */

import { t } from "./words.js";

const take = document.getElementById("take");
const input = document.getElementById("camera");
const dialog = document.getElementById("webcam");
const video = document.getElementById("video");
const words = document.getElementById("webcam-words");
const LOOK_MS = 500;
const DARK = 60; // mean grey level in the ring
const BRIGHT = 225;

const isPhone = matchMedia("(pointer: coarse)").matches;

async function hasWebcam() {
  const devices = (await navigator.mediaDevices?.enumerateDevices?.().catch(() => [])) ?? []; // none over plain http
  return devices.some((device) => device.kind === "videoinput");
}

/** The part of the video in the ring, a square half as high as the frame, drawn `side` wide (its own size by default). */
function drawn(side, share) {
  const height = Math.min(video.videoHeight, video.videoWidth) * share;
  const canvas = new OffscreenCanvas(side ?? height, side ?? height);
  const context = canvas.getContext("2d");
  context.drawImage(video, (video.videoWidth - height) / 2, (video.videoHeight - height) / 2, height, height, 0, 0, canvas.width, canvas.height);
  return { canvas, context };
}

function advise() {
  if (!video.videoWidth) return;
  const { data } = drawn(32, 0.5).context.getImageData(0, 0, 32, 32);
  let sum = 0;
  for (let at = 0; at < data.length; at += 4) sum += (data[at] + data[at + 1] + data[at + 2]) / 3;
  const grey = (sum * 4) / data.length;
  const light = grey < DARK ? t("More light, please: turn towards a window or a lamp.") : grey > BRIGHT ? t("Too bright: turn away from the light.") : "";
  const next = light || t("Come close, until your iris fills the ring. Hold still.");
  if (words.textContent !== next) words.textContent = next;
}

async function open(choose) {
  words.textContent = t("Starting the camera...");
  dialog.showModal();
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 3840 }, facingMode: "environment" } });
  } catch {
    words.textContent = t("The camera can't be used: allow it in the browser's settings, or choose a photo.");
    return;
  }
  const looking = setInterval(advise, LOOK_MS);
  const end = () => {
    clearInterval(looking);
    for (const track of stream.getTracks()) track.stop();
    video.srcObject = null;
  };
  dialog.addEventListener("close", end, { once: true });
  if (!dialog.open) return void end();
  video.srcObject = stream;
  document.getElementById("shutter").onclick = async () => {
    if (!video.videoWidth) return;
    const photo = await drawn(null, 1).canvas.convertToBlob({ type: "image/jpeg", quality: 0.95 });
    dialog.close();
    choose([new File([photo], t("Photo") + ".jpg", { type: "image/jpeg" })]);
  };
}

/** `choose` is called with the photos that are taken. */
export async function addCamera(choose) {
  const limit = Math.round(Number(document.querySelector('meta[name="irisvue-max-upload-bytes"]').content) / 2 ** 20);
  const how = isPhone ? t("Hold the phone a hand's breadth away, in soft light, eye wide open.") : t("The back camera of a phone takes the best photos: a hand's breadth away, in soft light, eye wide open.");
  const what = isPhone ? t("JPEG, PNG, WebP, HEIC or AVIF up to {limit} MB.", { limit }) : t("JPEG, PNG, WebP, HEIC or AVIF up to {limit} MB; or drop them here.", { limit });
  document.getElementById("hint").textContent = `${how} ${what}`;
  document.getElementById("webcam-close").onclick = () => dialog.close();
  input.onchange = () => {
    choose([...input.files]);
    input.value = "";
  };
  take.onclick = () => (isPhone ? input.click() : open(choose));
  if (isPhone) take.hidden = false;
  else {
    take.hidden = !(await hasWebcam());
    if (take.hidden) document.getElementById("card").content.querySelector(".retake").textContent = t("Choose another photo");
    take.classList.remove("primary");
    take.before(document.getElementById("pick")); // a laptop's user has photos rather than a good camera
    document.getElementById("pick").classList.add("primary");
  }
}
