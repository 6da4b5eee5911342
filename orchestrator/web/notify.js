/** The service worker, notifications and installing; where the browser does not allow them, the reason in words. */

import { t } from "./words.js";

const button = document.getElementById("notify");
const install = document.getElementById("install");
const why = document.getElementById("notify-why");
const ready = isSecureContext ? navigator.serviceWorker?.register(new URL("sw.js", import.meta.url), { scope: new URL("..", import.meta.url).pathname }).catch(() => null) : null;

function showState() {
  const possible = Boolean(ready) && "Notification" in window;
  button.hidden = !possible || Notification.permission !== "default";
  if (!isSecureContext) why.textContent = t("This page is open over plain http. Sharing, notifications and installing need https: start the service with “irisvue up --https”.");
  else if (!possible) why.textContent = t("This browser has no notifications for this page. On an iPhone, add it to the home screen first.");
  else if (Notification.permission === "denied") why.textContent = t("Notifications are blocked for this page in the browser's settings.");
  else if (Notification.permission === "granted") why.textContent = t("You are told when a picture is done while this page is in the background.");
  else why.textContent = "";
}

/** Tell the user about a card's job while the page is in the background. */
export async function announce(words, card) {
  if (!document.hidden || !ready || globalThis.Notification?.permission !== "granted") return;
  const worker = await navigator.serviceWorker.ready;
  await worker.showNotification("Irisvue", { body: words, icon: new URL("icon-192.png", import.meta.url).href, tag: card.photo?.id, data: { job: card.job.job_id } });
}

/** `open` is called with the job of a notification that was tapped. */
export function addNotifications(open) {
  showState();
  button.onclick = async () => {
    await Notification.requestPermission();
    showState();
  };
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
