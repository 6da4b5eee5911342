/** Sends chosen photos one after the other, so that they keep their order; what is not sent is kept in the outbox. */

import { adopt, assignJob, cardOfEntry, cardOfPhoto, place, tell } from "./gallery.js";
import { newKey } from "./irisvue/index.js";
import * as outbox from "./outbox.js";
import { client, withToken } from "./session.js";
import { isOn } from "./settings.js";
import { t } from "./words.js";

export const MAX_BYTES = Number(document.querySelector('meta[name="irisvue-max-upload-bytes"]').content);
const NAMES = /\.(jpe?g|png|webp|hei[cf]|hif|avif)$/i;
const PAUSE_MS = 3000;
const OFFLINE = new Set([0, 503]);
const REFUSED = new Set([413, 415, 422]);
let turn = Promise.resolve();

/** What is wrong with a chosen file and what to do about it; null if it can be sent. */
function problemWith(photo) {
  const kind = photo.type ? photo.type.startsWith("image/") : NAMES.test(photo.name);
  if (!kind && !NAMES.test(photo.name)) return [t("This is not a photo."), t("Choose a JPEG, PNG, WebP, HEIC or AVIF picture.")];
  if (photo.size <= MAX_BYTES) return null;
  const limit = t("This photo is larger than {limit} MB.", { limit: Math.round(MAX_BYTES / 2 ** 20) });
  return [limit, t("Take it with a lower resolution, or save it as a JPEG.")];
}

/** Make cards for these files and send them. */
export async function choose(photos, newCard) {
  const now = Date.now();
  const chosen = [...photos].map((photo, at) => ({ key: newKey(), photo, chosen: now + at }));
  for (const entry of chosen) {
    const card = newCard();
    card.name = entry.photo.name;
    card.entry = entry;
    place(card);
    const problem = problemWith(entry.photo);
    if (problem) card.show("failed", problem[0], { advice: problem[1], buttons: ["retake", "remove"] });
    else start(card);
  }
}

async function start(card) {
  card.local(card.entry.photo);
  card.show("uploading", t("Waiting to upload"), { buttons: ["stop", "remove"] });
  const isKept = await outbox.put(card.entry);
  card.note = isKept ? null : t("This browser has no room to keep the photo: leave the page open until it is uploaded.");
  await send(card);
}

/** Send again what a closed page left in the outbox. */
export async function sendOutbox(newCard) {
  for (const entry of await outbox.all()) {
    if (cardOfEntry(entry.key)) continue;
    const card = cardOfPhoto(entry.photoId) ?? newCard();
    Object.assign(card, { entry, name: entry.photo?.name ?? "" });
    if (entry.photo) card.local(entry.photo);
    if (entry.photoId) adopt(card, { id: entry.photoId, created_at: new Date(entry.chosen).toISOString() });
    else place(card);
    card.show("uploading", t("Waiting to upload"), { buttons: ["stop", "remove"] });
    send(card);
  }
}

/** Upload the card's photo, and process it if that is wanted. */
export async function send(card) {
  card.stopping = new AbortController();
  const { entry, stopping } = card;
  try {
    if (!entry.photoId) await inTurn(() => stopping.signal.aborted || untilOnline(card, () => upload(card, entry, stopping.signal)));
    if (stopping.signal.aborted || !entry.photoId) return;
    if (entry.process || isOn("automatic")) await untilOnline(card, () => submit(card, entry));
    else ready(card);
    await outbox.remove(entry.key);
    card.entry = null;
  } catch (error) {
    if (!stopping.signal.aborted) await showUnsent(card, entry, error);
  }
}

function inTurn(work) {
  const done = turn.then(work);
  turn = done.catch(() => undefined);
  return done;
}

async function upload(card, entry, signal) {
  const step = (words, share) =>
    card.show("uploading", words, { progress: share * 100, buttons: ["stop", "remove"], advice: card.note });
  let furthest = Number(card.find(".sent").value) / 100;
  step(t("Uploading"), furthest);
  const photo = await client.uploadPhoto(entry.photo, {
    idempotencyKey: entry.key,
    signal,
    onRetry: () => step(t("Waiting for the connection..."), furthest),
    onProgress: (share) => {
      furthest = Math.max(furthest, share);
      step(share < 1 ? t("Uploading") : t("Checking your photo..."), share);
    },
  });
  entry.photoId = photo.id;
  adopt(card, photo);
  await outbox.put(entry);
  tell();
}

function ready(card) {
  card.show("ready", t("Ready to process"), { buttons: ["process", "remove"] });
}

async function submit(card, entry) {
  card.show("running", t("Waiting in line..."));
  const job = await client.submit(entry.photoId, { preview: isOn("first-look"), idempotencyKey: `${entry.key}-submit` });
  const now = await client.getJob(job.job_id); // it may have advanced since
  assignJob(card, now);
  card.progress(now);
}

/** Process a photo that is uploaded. */
export async function process(card) {
  card.entry ??= { key: newKey(), photoId: card.photo.id, chosen: Date.now() };
  card.entry.process = true;
  card.show("running", t("Waiting in line..."));
  await outbox.put(card.entry);
  await send(card);
}

/** Stop sending; the photo stays on this device. */
export function stop(card) {
  card.stopping?.abort();
  card.show("stopped", t("Upload stopped"), { buttons: ["resume", "remove"] });
}

/** Forget a photo that is not uploaded. */
export async function forget(card) {
  card.stopping?.abort();
  if (card.entry) await outbox.remove(card.entry.key);
}

/** Repeat `work` whenever the connection was lost, until the user stops it. */
async function untilOnline(card, work) {
  for (;;) {
    try {
      return await withToken(work);
    } catch (error) {
      if (!OFFLINE.has(error.status) || card.stopping.signal.aborted || (await isGone(card.entry?.photo))) throw error;
      const [state, buttons] = card.entry.photoId ? ["waiting", ["remove"]] : ["uploading", ["stop", "remove"]];
      const progress = Number(card.find(".sent").value);
      card.show(state, t("Waiting for the connection..."), { progress, buttons, advice: card.note });
      await pause(card.stopping.signal);
      if (card.stopping.signal.aborted) return undefined;
    }
  }
}

/** Whether the file was deleted or changed on the device since it was chosen: no connection will help then. */
const isGone = async (photo) => Boolean(photo) && photo.slice(0, 1).arrayBuffer().then(() => false, () => true);

/** Wait three seconds, or until the device is online again or the user has stopped it. */
const pause = (signal) =>
  new Promise((resolve) => {
    setTimeout(resolve, PAUSE_MS);
    addEventListener("online", resolve, { once: true });
    signal.addEventListener("abort", resolve, { once: true });
  });

async function showUnsent(card, entry, error) {
  const gone = !entry.photoId && (await isGone(entry.photo));
  const refused = gone || REFUSED.has(error.status);
  if (refused || error.status === 404) await outbox.remove(entry.key);
  if (gone) {
    const advice = t("Choose it again, or take a new one.");
    return card.show("failed", t("This photo is no longer on your device."), { advice, buttons: ["retake", "remove"] });
  }
  if (error.status === 404) return card.show("failed", t("This photo was deleted elsewhere."), { buttons: ["remove"] });
  const wait = error.retryAfter ? ` ${t("Try again in {seconds} seconds.", { seconds: error.retryAfter })}` : "";
  const advice = refused ? t("Choose another photo, or take a new one.") : t("Your photo is kept here.") + wait;
  const words = error.status ? error.message : t("The server can't be reached. Check your connection.");
  return card.show("failed", words, { advice, buttons: [refused ? "retake" : "retry", "remove"] });
}
