/** The service worker, notifications and installing; where the browser does not allow them, the reason in words. */

import { keep, kept } from "./kept.js";
import { subscribe, unsubscribe } from "./push.js";
import { signedIn } from "./session.js";
import { t } from "./words.js";

const KEY = "irisvue-notify";
const button = document.getElementById("notify");
const install = document.getElementById("install");
const why = document.getElementById("notify-why");
const ready = isSecureContext ? navigator.serviceWorker?.register(new URL("sw.js", import.meta.url), { scope: new URL("..", import.meta.url).pathname }).catch(() => null) : null;
let pushed = false; // also told while no page is open

const isOn = () => globalThis.Notification?.permission === "granted" && kept(KEY) !== "off";

function showState() {
  const possible = Boolean(ready) && "Notification" in window;
  button.hidden = !possible || Notification.permission === "denied";
  button.textContent = isOn() ? t("Don't tell me any more") : t("Tell me when it is done");
  if (!isSecureContext) why.textContent = t("This page is open over plain http. Sharing, notifications and installing need https: start the service with “irisvue up --https”.");
  else if (!possible) why.textContent = t("This browser has no notifications for this page. On an iPhone, add it to the home screen first.");
  else if (Notification.permission === "denied") why.textContent = t("Notifications are blocked for this page in the browser's settings.");
  else if (!isOn()) why.textContent = "";
  else if (pushed) why.textContent = t("You are told when a picture is done, also while this page is closed.");
  else why.textContent = t("You are told when a picture is done while this page is in the background.");
}

/** Subscribe to pushes where they are wanted and the browser has them. Its push service may be out of reach. */
async function renew() {
  pushed = isOn() && signedIn() && (await subscribe(await navigator.serviceWorker.ready).catch(() => false));
  showState();
}

/** Tell nothing any more, until it is turned on again. */
export async function turnOff() {
  keep(KEY, "off");
  pushed = false;
  showState();
  if (ready) await unsubscribe(await navigator.serviceWorker.ready).catch(() => undefined);
}

async function turnOn() {
  keep(KEY, "on");
  await Notification.requestPermission();
  await renew();
}

/** Tell the user about a card's job while the page is in the background. */
export async function announce(words, card) {
  if (!document.hidden || !ready || !isOn()) return;
  const worker = await navigator.serviceWorker.ready;
  await worker.showNotification("Irisvue", { body: words, icon: new URL("icon-192.png", import.meta.url).href, tag: card.photo?.id, data: { job: card.job.job_id } });
}

/** `open` is called with the job of a notification that was tapped. */
export function addNotifications(open) {
  renew();
  addEventListener("signedin", renew); // perhaps as somebody else
  button.onclick = () => (isOn() ? turnOff() : turnOn());
  addEventListener("beforeinstallprompt", (event) => {
    event.preventDefault();
    install.hidden = false;
    install.onclick = async () => {
      await event.prompt();
      install.hidden = true;
    };
  });
  navigator.serviceWorker?.addEventListener("message", ({ data }) => data.open && open(data.open));
}
