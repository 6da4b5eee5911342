/** The pictures in their one order, newest first, as the service has them. */

import { client } from "./session.js";
import { t } from "./words.js";

const PAGE_SIZE = 24;
const list = document.getElementById("gallery");
const older = document.getElementById("more");
const tabs = new BroadcastChannel("irisvue");
const byPhoto = new Map();
const byJob = new Map();
let pages = 0;
let changed = () => undefined;

export const cards = () => [...list.children].map((element) => element.card);
export const cardOfJob = (jobId) => byJob.get(jobId);
export const cardOfPhoto = (photoId) => byPhoto.get(photoId);
export const cardOfEntry = (key) => cards().find((card) => card.entry?.key === key);

/** Put a card where its time belongs; the focus stays where it was. */
export function place(card) {
  const next = cards().find((other) => other !== card && other.order < card.order) ?? null;
  if (card.element.parentElement !== list || card.element.nextElementSibling !== (next?.element ?? null)) {
    const focused = card.element.contains(document.activeElement) ? document.activeElement : null;
    list.insertBefore(card.element, next?.element ?? null);
    focused?.focus({ preventScroll: true });
  }
  changed();
}

/** The card stands for this photo from now on. */
export function adopt(card, photo) {
  const other = byPhoto.get(photo.id); // the list may contain a photo before its upload is answered
  if (other && other !== card) other.element.remove();
  card.photo = photo;
  card.name ||= photo.filename ?? "";
  byPhoto.set(photo.id, card);
  place(card);
}

export function assignJob(card, job) {
  card.job = job;
  byJob.set(job.job_id, card);
}

/** Take a card away; the focus goes to the one that takes its place. */
export function take(card) {
  const neighbour = card.element.nextElementSibling ?? card.element.previousElementSibling;
  const focused = card.element.contains(document.activeElement) || document.activeElement === document.body;
  if (card.photo) byPhoto.delete(card.photo.id);
  card.element.remove();
  if (focused) (neighbour?.querySelector("button:not([hidden], :disabled)") ?? document.getElementById("pick")).focus();
  changed();
}

/** Tell the other tabs that there is something new, or which photos are gone. */
export const tell = (gone = []) => tabs.postMessage({ gone });

/** Show one page of photos; what the service has no longer is taken away. `actions` make a card and show its job. */
export async function showPage(page, { newCard, showJob }) {
  const before = cards().filter((card) => card.photo); // what is uploaded while the service answers is not in its answer
  const answer = await client.listPhotos({ page, page_size: PAGE_SIZE });
  for (const photo of answer.photos) {
    const known = byPhoto.get(photo.id);
    const card = known ?? newCard();
    adopt(card, photo);
    const job = photo.latest_job;
    const seen = card.job;
    if (job && (!seen || job.created_at > seen.created_at || (job.job_id === seen.job_id && job.status !== seen.status))) showJob(card, job);
    else if (!job && !card.entry) card.show("ready", t("Ready to process"), { buttons: ["process", "remove"] });
    if (!card.wanted && job?.status !== "completed") card.picture(photo.original_url, t("Your photo"));
  }
  const oldest = answer.total > page * PAGE_SIZE ? Date.parse(answer.photos.at(-1).created_at) : -Infinity;
  const there = new Set(answer.photos.map((photo) => photo.id));
  if (page === 1) for (const card of before) if (card.order >= oldest && !there.has(card.photo.id)) take(card);
  pages = Math.max(pages, page);
  older.hidden = answer.total <= pages * PAGE_SIZE;
  changed();
}

/** `refresh` is called with a page that should be shown anew, `onChange` whenever cards have come or gone. */
export function addGallery(refresh, onChange) {
  changed = onChange;
  older.firstElementChild.onclick = () => refresh(pages + 1);
  tabs.onmessage = ({ data }) => {
    for (const id of data.gone) if (byPhoto.has(id)) take(byPhoto.get(id));
    if (!data.gone.length) refresh(1);
  };
  addEventListener("visibilitychange", () => !document.hidden && pages && refresh(1)); // other devices may have sent or deleted some
}
