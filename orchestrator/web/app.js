/** The page: joins the gallery, sending, the viewer and the stream of progress. */

import { addCamera } from "./camera.js";
import { Card } from "./card.js";
import { confirmed } from "./confirm.js";
import { addGallery, assignJob, cardOfJob, cards, showPage, take, tell } from "./gallery.js";
import { IrisvueError, newKey } from "./irisvue/index.js";
import { addNotifications, announce, turnOff } from "./notify.js";
import { addSelection, updateSelection } from "./selection.js";
import * as sending from "./sending.js";
import { client, signedIn, signIn, signOut, withToken } from "./session.js";
import { addSettings } from "./settings.js";
import * as viewer from "./viewer.js";
import { t } from "./words.js";

const messages = document.getElementById("messages");
const connection = document.getElementById("connection");
const readyBar = document.getElementById("ready");

function showError(error) {
  const words = error instanceof IrisvueError || error instanceof Error ? error.message : String(error);
  messages.replaceChildren(Object.assign(document.createElement("p"), { textContent: words }));
}

/** Run `work`; an error of it is shown on the page. */
async function attempt(work) {
  try {
    messages.replaceChildren();
    return await withToken(work);
  } catch (error) {
    return showError(error);
  }
}

const actions = {
  changed: () => update(),
  open: (card) => attempt(() => open(card)),
  process: sending.process,
  reprocess: (card, detail) => attempt(() => reprocess(card, detail)),
  retry: (card) => sending.send(card),
  resume: (card) => sending.send(card),
  stop: sending.stop,
  cancel: (card) => attempt(async () => card.job && client.cancel(card.job.job_id)),
  remove: (card) => attempt(() => removeCards([card])),
  retake: () => (document.querySelector("#take:not([hidden])") ?? document.getElementById("pick")).click(),
  renew: (card) => client.getJob(card.job.job_id).then((job) => showJob(card, job), () => undefined),
};
const newCard = () => new Card(actions);

async function open(card) {
  if (document.body.classList.contains("selecting")) return updateSelection(card);
  try {
    const job = await client.getJob(card.job.job_id);
    return viewer.show(card, job);
  } catch (error) {
    if (error.status !== 404) throw error;
    take(card);
    return showError(t("This picture was deleted on another device."));
  }
}

/** `detail` is natural or crisp; without it, it stays as it was. */
async function reprocess(card, detail) {
  const job = await client.reprocess(card.job.job_id, { detail });
  assignJob(card, job);
  card.progress(job);
}

/** Ask, then delete these photos and all that was made from them. Returns whether it was done. */
async function removeCards(chosen) {
  const words = chosen.length > 1 ? t("Delete {n} photos and everything made from them?", { n: chosen.length }) : t("Delete this photo and everything made from it?");
  if (chosen.some((card) => card.photo) && !(await confirmed(words, t("Delete")))) return false;
  for (const card of chosen) {
    await sending.forget(card);
    if (card.photo) await client.deletePhoto(card.photo.id).catch((error) => error.status === 404 || Promise.reject(error));
    take(card);
    if (card.photo) tell([card.photo.id]);
  }
  return true;
}

/** Leave nothing of this user on the device: whoever is next finds no photo, no token, and gets no pushes. */
async function leave() {
  const unsent = cards().some((card) => card.entry);
  if (unsent && !(await confirmed(t("Some photos are not uploaded yet. Signing out removes them from this device."), t("Sign out")))) return;
  await Promise.all(cards().map(sending.forget));
  await turnOff();
  signOut();
  location.reload();
}

function showJob(card, job) {
  assignJob(card, job);
  card.progress(job);
  if (job.status === "completed") card.picture(job.thumbnail_urls?.[960] ?? job.result_url, t("Your finished iris"));
}

/** Show a page anew. Without a connection the strip says so, and the first page follows once there is one. */
const refresh = (page) =>
  attempt(() => showPage(page, { newCard, showJob }).catch((error) => (page === 1 && error.status === 0 ? undefined : Promise.reject(error))));

/** What depends on which cards there are. */
function update() {
  const all = cards(), ready = all.filter((card) => card.state === "ready");
  document.body.classList.toggle("busy", all.length > 0);
  readyBar.hidden = !ready.length;
  document.getElementById("ready-words").textContent = ready.length === 1 ? t("One photo is ready to process") : t("{n} photos are ready to process", { n: ready.length });
  viewer.update();
  updateSelection();
}

async function receive(message) {
  if (message.type === "deleted") {
    const gone = cards().find((card) => card.photo?.id === message.photo_id);
    return gone && take(gone);
  }
  const card = cardOfJob(message.job_id);
  if (!card) return refresh(1); // a job from another tab or device
  if (card.job.job_id !== message.job_id) return undefined; // an older job of the same photo
  card.progress(message);
  if (message.preview_url && message.status === "processing") card.picture(message.preview_url, t("A first look at your iris"));
  if (message.status === "completed") {
    showJob(card, await client.getJob(message.job_id));
    announce(t("Your iris art is ready to view!"), card);
  } else if (message.status === "failed") announce(message.message, card);
  else if (message.status === "cancelled") card.job = { ...card.job, ...message };
  return undefined;
}

function showConnection(state) {
  connection.dataset.state = state;
  connection.textContent = state === "waiting" ? t("No connection. Your jobs go on.") : "";
}

async function listen() {
  const onConnection = (state) => {
    showConnection(state);
    if (state !== "open") return; // not earlier, or a job that ends between the list and the stream would be missed
    refresh(1).then(viewer.openFromAddress);
  };
  const follow = async () => {
    for await (const message of client.watchAll({ onConnection })) await receive(message).catch(showError);
  };
  for (;;) await withToken(follow).catch(showError);
}

function addChoosing() {
  const choose = (files) => sending.choose(files, newCard);
  addCamera(choose);
  const input = document.getElementById("files");
  document.getElementById("pick").onclick = () => input.click();
  input.onchange = () => {
    choose([...input.files]);
    input.value = "";
  };
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
}

const processAll = (chosen) => Promise.all(chosen.filter((card) => card.state === "ready").map(sending.process));

addChoosing();
addGallery(refresh, update);
addSettings((name) => name === "automatic" && document.querySelector('[data-setting="automatic"]').checked && processAll(cards()));
addNotifications((jobId) => viewer.openJob(jobId));
document.getElementById("sign-out").onclick = leave;
document.getElementById("process-ready").onclick = () => processAll(cards());
addSelection({ attempt, processAll, removeCards, cancel: actions.cancel });
viewer.addViewer({ attempt, showError, open: actions.open, reprocess: actions.reprocess, remove: (card) => attempt(() => removeCards([card])) });
update();
if (!signedIn()) await signIn();
sending.sendOutbox(newCard);
await listen();
