/**
 * Keeps the page's own files, so that it opens without a connection: photos can then be chosen and wait in the outbox.
 * The newest files come from the service whenever it answers; nothing of the API and no picture is ever kept here.
 */

const KEPT = "page";
const HOME = self.registration.scope;
const FILES = []; // the service puts their names in

self.addEventListener("install", (event) => {
  self.skipWaiting();
  event.waitUntil(caches.open(KEPT).then((cache) => cache.addAll(["", ...FILES].map((path) => new Request(HOME + path, { cache: "reload" })))));
});

self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

self.addEventListener("fetch", (event) => {
  const address = event.request.url.split(/[?#]/)[0];
  const isPage = address === HOME || address.startsWith(`${HOME}web/`);
  if (event.request.method === "GET" && isPage) event.respondWith(newest(event.request, address));
});

async function newest(request, address) {
  const cache = await caches.open(KEPT);
  try {
    const answer = await fetch(request);
    if (answer.ok) await cache.put(address, answer.clone());
    return answer;
  } catch (error) {
    const kept = await cache.match(address);
    if (kept) return kept;
    throw error;
  }
}

self.addEventListener("push", (event) => event.waitUntil(tell(event.data.json())));

/** Browsers want a notification for each push; where the page is being looked at, it goes away at once. */
async function tell({ title, body, job_id, photo_id }) {
  await self.registration.showNotification(title, { body, icon: `${HOME}web/icon-192.png`, tag: photo_id, data: { job: job_id } });
  if (!(await pages()).some((page) => page.visibilityState === "visible")) return;
  for (const note of await self.registration.getNotifications({ tag: photo_id })) note.close();
}

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(show(event.notification.data.job));
});

async function show(job) {
  const [page] = await pages();
  if (!page) return self.clients.openWindow(`${HOME}?job=${job}`);
  page.postMessage({ open: job });
  return page.focus();
}

/** The page's windows; a shared picture and the API's documents are windows of this address, too. */
async function pages() {
  const all = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
  return all.filter((page) => page.url.split(/[?#]/)[0] === HOME);
}
