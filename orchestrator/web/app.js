/** The page: sends photos, receives progress and shows both in cards. */

import { Card } from "./card.js";
import { IrisvueError, newKey } from "./irisvue/index.js";
import * as outbox from "./outbox.js";
import { client, signedIn, signIn, withToken } from "./session.js";
import * as viewer from "./viewer.js";

const PAGE_SIZE = 24;
const MAX_BYTES = Number(document.querySelector('meta[name="irisvue-max-upload-bytes"]').content);
const NAMES = /\.(jpe?g|png|webp|hei[cf]|hif|avif)$/i;
const gallery = document.getElementById("gallery");
const messages = document.getElementById("messages");
const connection = document.getElementById("connection");
const olderPhotos = document.getElementById("more");
const byPhoto = new Map();
const byJob = new Map();
let pages = 0;

// Errors
function showError(error) {
  const words = error instanceof IrisvueError || error instanceof Error ? error.message : String(error);
  messages.replaceChildren(Object.assign(document.createElement("p"), { textContent: words }));
}

/** Run `work`; an error of it is shown on the page. */
async function attempt(work) {
  try {
    messages.replaceChildren();
    return await withToken(work, "; your pictures and what you were sending are still here.");
  } catch (error) {
    return showError(error);
  }
}

// Cards
const actions = {
  open: (card) => attempt(async () => open(card, await client.getJob(card.job.job_id))),
  reprocess: (card) => (card.entry ? send(card, card.entry) : attempt(() => reprocess(card))),
  cancel: (card) => attempt(() => client.cancel(card.job.job_id)),
  remove: (card) => attempt(() => removePhoto(card)),
  retake: () => document.getElementById("camera").click(),
};

function newCard(photoId) {
  const card = new Card(actions);
  if (photoId) adopt(card, photoId);
  document.body.classList.add("busy");
  return card;
}

function adopt(card, photoId) {
  const other = byPhoto.get(photoId); // the list may contain a photo before its upload is answered
  if (other && other !== card) other.element.remove();
  card.photoId = photoId;
  byPhoto.set(photoId, card);
}

function assignJob(card, job) {
  card.job = job;
  byJob.set(job.job_id, card);
}

function open(card, job) {
  viewer.show(job, {
    showError,
    reprocess: () => actions.reprocess(card),
    changeDetail: (detail) => attempt(() => reprocess(card, detail)),
    remove: () => actions.remove(card),
  });
}

async function reprocess(card, detail) {
  const job = await client.reprocess(card.job.job_id, newKey(), undefined, detail);
  assignJob(card, job);
  card.progress(job);
}

async function removePhoto(card) {
  if (!confirm("Delete this photo and everything made from it?")) return;
  if (card.photoId) await client.deletePhoto(card.photoId);
  if (card.entry) await outbox.remove(card.entry.key);
  byPhoto.delete(card.photoId);
  card.element.remove();
  document.body.classList.toggle("busy", gallery.children.length > 0);
}

async function showJob(card, job) {
  assignJob(card, job);
  card.progress(job);
  if (job.status === "completed") card.picture(job.result_url, "Your finished iris. Open it");
}

// Sending
/** What is wrong with a chosen file and what to do about it; null if it can be sent. */
function problemWith(photo) {
  const kind = photo.type ? photo.type.startsWith("image/") : NAMES.test(photo.name);
  if (!kind && !NAMES.test(photo.name)) return ["This is not a photo.", "Choose a JPEG, PNG, WebP, HEIC or AVIF picture."];
  if (photo.size > MAX_BYTES) {
    const limit = Math.round(MAX_BYTES / 2 ** 20);
    return [`This photo is larger than ${limit} MB.`, "Take it with a lower resolution, or save it as a JPEG."];
  }
  return null;
}

function choose(photos) {
  for (const photo of photos) {
    const card = newCard();
    gallery.prepend(card.element);
    const problem = problemWith(photo);
    if (problem) {
      card.fail(...problem, { retake: true });
      continue;
    }
    const entry = { key: newKey(), photo, chosen: Date.now() };
    card.local(photo);
    outbox.put(entry);
    send(card, entry);
  }
}

async function send(card, entry) {
  card.entry = entry;
  card.element.dataset.key = entry.key;
  card.find(".suggestion").hidden = true;
  try {
    await withToken(() => deliver(card, entry), "; the photo is still here and will be sent.");
  } catch (error) {
    await handleUnsent(card, entry, error);
  }
}

async function deliver(card, entry) {
  if (!entry.photoId) {
    card.step("Uploading...", 0);
    const photo = await client.uploadPhoto(entry.photo, {
      idempotencyKey: entry.key,
      onRetry: () => card.step("Waiting for the connection...", 0),
      onProgress: (share) => card.step(share < 1 ? "Uploading..." : "Checking your photo...", share * 5),
    });
    entry.photoId = photo.id;
    await outbox.put(entry);
  }
  adopt(card, entry.photoId);
  const job = await client.submit(entry.photoId, { preview: true, idempotencyKey: `${entry.key}-submit` });
  await outbox.remove(entry.key);
  card.entry = null;
  await showJob(card, await client.getJob(job.job_id)); // it may have advanced since
}

/** Wait three seconds, or until the device is online again. */
const pause = () =>
  new Promise((resolve) => {
    setTimeout(resolve, 3000);
    addEventListener("online", resolve, { once: true });
  });

async function handleUnsent(card, entry, error) {
  if (error.status === 0 || error.status === 503) {
    card.step("Waiting for the connection...", 0);
    await pause();
    return send(card, entry);
  }
  const photoIsBad = [413, 415, 422].includes(error.status);
  if (photoIsBad) await outbox.remove(entry.key);
  const wait = error.retryAfter ? ` Try again in ${error.retryAfter} seconds.` : "";
  card.fail(error.message, photoIsBad ? "Choose another photo, or take a new one." : `Your photo is kept here.${wait}`, {
    retake: photoIsBad,
    reprocess: !photoIsBad,
  });
  return undefined;
}

// Photos and jobs from before
async function showPage(page) {
  const list = await client.listPhotos({ page, page_size: PAGE_SIZE });
  const newest = await Promise.all(list.photos.map((photo) => client.listJobs({ photo_id: photo.id, page_size: 1 })));
  list.photos.forEach((photo, at) => {
    const known = byPhoto.get(photo.id);
    const card = known ?? newCard(photo.id);
    const job = newest[at].jobs[0];
    if (!known) {
      gallery.append(card.element);
      if (job?.status !== "completed") card.picture(photo.original_url, "Your photo");
    }
    if (job) showJob(card, job);
    else if (!card.entry) card.step("Not processed yet", 0, "waiting");
  });
  pages = Math.max(pages, page);
  olderPhotos.hidden = list.total <= pages * PAGE_SIZE;
}

async function sendOutbox() {
  for (const entry of await outbox.all()) {
    if ([...gallery.children].some((element) => element.dataset.key === entry.key)) continue;
    const card = newCard();
    gallery.prepend(card.element);
    card.local(entry.photo);
    send(card, entry);
  }
}

// Progress
async function receive(message) {
  const card = byJob.get(message.job_id);
  if (!card) return showPage(1); // a job from another device
  if (card.job.job_id !== message.job_id) return undefined; // an older job of the same photo
  card.progress(message);
  if (message.preview_url) card.picture(message.preview_url, "A first look at your iris");
  if (message.status === "completed") {
    await showJob(card, await client.getJob(message.job_id));
    announce("Your iris art is ready to view!", card);
  } else if (message.status === "failed") announce(message.message, card);
  return undefined;
}

function announce(words, card) {
  if (!document.hidden || !("Notification" in window) || Notification.permission !== "granted") return;
  const note = new Notification("Irisvue", { body: words, icon: "web/icon.svg", tag: card.photoId });
  note.onclick = () => {
    window.focus();
    if (card.job.status === "completed") actions.open(card);
  };
}

function showConnection(state) {
  connection.dataset.state = state;
  connection.textContent = state === "waiting" ? "Connection lost. Your jobs go on; trying again..." : "";
}

async function listen() {
  let first = true;
  const onConnection = (state) => {
    showConnection(state);
    if (state !== "open" || !first) return;
    first = false; // not earlier, or a job that ends between the list and the stream would be missed
    attempt(() => showPage(1)).then(sendOutbox);
  };
  const follow = async () => {
    for await (const message of client.watchAll({ onConnection })) await receive(message).catch(showError);
  };
  for (;;) await withToken(follow, ".").catch(showError);
}

function addHandlers() {
  for (const button of document.querySelectorAll("[data-opens]")) {
    const input = document.getElementById(button.dataset.opens);
    button.onclick = () => input.click();
    input.onchange = () => {
      choose([...input.files]);
      input.value = "";
    };
  }
  addEventListener("dragover", (event) => {
    event.preventDefault();
    document.body.classList.add("dropping");
  });
  addEventListener("dragleave", () => document.body.classList.remove("dropping"));
  addEventListener("drop", (event) => {
    event.preventDefault();
    document.body.classList.remove("dropping");
    choose([...event.dataTransfer.files]);
  });
  olderPhotos.firstElementChild.onclick = () => attempt(() => showPage(pages + 1));
  const notify = document.getElementById("notify");
  notify.hidden = !("Notification" in window) || Notification.permission !== "default";
  notify.onclick = async () => (notify.hidden = (await Notification.requestPermission()) !== "default");
  document.getElementById("limit").textContent = Math.round(MAX_BYTES / 2 ** 20);
}

addHandlers();
if (!signedIn()) await signIn();
await listen();
