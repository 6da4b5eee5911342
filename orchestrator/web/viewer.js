/** The finished picture over the photo, full screen. Back closes it: it is an entry of the browser's history. */

import { cards, cardOfJob } from "./gallery.js";
import { factsOf, verdictOf } from "./quality.js";
import { download, fileOf } from "./save.js";
import { client } from "./session.js";
import { t, timeOf } from "./words.js";
import { Zoom } from "./zoom.js";

const dialog = document.getElementById("viewer");
const [stage, frame, knob] = [".stage", ".frame", ".knob"].map((name) => dialog.querySelector(name));
const element = (id) => document.getElementById(id);
const slider = element("slider");
const zoom = new Zoom(stage, frame, (direction) => (direction === "down" ? close() : step(direction === "left" ? 1 : -1)));
let actions = {};
let shown = null; // the card
let job = null;
let closing = false;

const pictures = () => cards().filter((card) => card.state === "completed");

/** Show a card's finished job. */
export function show(card, itsJob) {
  const isFirst = !dialog.open;
  [shown, job] = [card, itsJob];
  element("after").src = job.result_url;
  element("before").src = job.before_url ?? job.result_url;
  frame.style.setProperty("--shape", job.result_width / job.result_height);
  setDivider(50);
  zoom.reset();
  element("viewer-title").textContent = card.name || t("Your iris");
  element("facts").textContent = `${timeOf(card.photo?.created_at ?? job.created_at)} · ${factsOf(job)}`;
  element("verdict").textContent = verdictOf(job);
  element("warnings").replaceChildren(...(job.quality_warnings ?? []).map((words) => Object.assign(document.createElement("li"), { textContent: words })));
  element("detail").lastElementChild.textContent = otherDetail() === "crisp" ? t("Make it crisp") : t("Make it natural");
  element("share").hidden = !navigator.canShare?.({ files: [new File([""], "iris.jpg", { type: "image/jpeg" })] });
  const address = `?job=${job.job_id}`;
  if (isFirst) {
    if (history.state?.viewer) history.replaceState({ viewer: true }, "", address);
    else history.pushState({ viewer: true }, "", address);
    dialog.showModal();
    element("close").focus();
  } else history.replaceState({ viewer: true }, "", address);
  zoom.reset(); // once more, now that the stage has its size
  update();
}

/** Show which picture this is among those there are; close if it is gone. */
export function update() {
  if (!dialog.open) return;
  const all = pictures(), at = all.indexOf(shown);
  if (!shown.element.isConnected) return void close();
  element("position").textContent = at < 0 ? "" : t("{n} of {total}", { n: at + 1, total: all.length });
  element("previous").hidden = at <= 0;
  element("next").hidden = at < 0 || at === all.length - 1;
  if (document.activeElement?.hidden) element("close").focus();
}

/** The detail that this picture was not made with. */
const otherDetail = () => (job.detail_used === "natural" ? "crisp" : "natural");

function step(by) {
  const next = pictures()[pictures().indexOf(shown) + by];
  if (next) actions.open(next);
}

function close() {
  if (closing) return; // going back twice would leave the page
  closing = Boolean(history.state?.viewer);
  if (closing) history.back(); // and `popstate` closes the dialog
  else dialog.close();
}

/** Close the viewer and wait until the address is the gallery's again. */
async function closed() {
  if (!dialog.open) return;
  const done = new Promise((resolve) => dialog.addEventListener("close", resolve, { once: true }));
  close();
  await done;
}

function setDivider(percent) {
  slider.value = percent;
  frame.style.setProperty("--at", `${slider.value}%`);
}

function addDivider() {
  slider.oninput = () => setDivider(slider.value);
  knob.onpointerdown = (event) => {
    knob.setPointerCapture(event.pointerId);
    event.stopPropagation();
  };
  knob.onpointermove = (event) => {
    if (!knob.hasPointerCapture(event.pointerId)) return;
    const box = frame.getBoundingClientRect();
    setDivider(((event.clientX - box.x) / box.width) * 100);
  };
}

function onKey(event) {
  if (event.target === slider && event.key.startsWith("Arrow")) return;
  const act = {
    ArrowLeft: () => step(-1),
    ArrowRight: () => step(1),
    "+": () => zoom.by(1.5),
    "=": () => zoom.by(1.5),
    "-": () => zoom.by(1 / 1.5),
    0: () => zoom.reset(),
  }[event.key];
  if (!act || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  act();
}

async function share() {
  try {
    await navigator.share({ files: [await fileOf(job)], title: t("My iris") });
  } catch (error) {
    if (error.name !== "AbortError") actions.showError(error);
  }
}

/** Show the picture that the page's address names: after a reload, or from a notification. */
export function openFromAddress() {
  const id = new URLSearchParams(location.search).get("job");
  if (!id || dialog.open) return undefined;
  if (!history.state?.viewer) history.replaceState(null, "", location.pathname);
  return openJob(id);
}

/** Show a job's picture, if it is there. */
export function openJob(id) {
  const card = cardOfJob(id);
  if (card?.state === "completed") return actions.open(card);
  if (history.state?.viewer) history.replaceState(null, "", location.pathname);
  return undefined;
}

/** `given` has open, reprocess and remove of a card, attempt and showError. */
export function addViewer(given) {
  actions = given;
  addDivider();
  element("close").onclick = close;
  element("previous").onclick = () => step(-1);
  element("next").onclick = () => step(1);
  element("save").onclick = () => actions.attempt(async () => download(await fileOf(await client.getJob(job.job_id))));
  element("share").onclick = share;
  const reprocess = (detail) => async () => {
    const [card, wanted] = [shown, detail?.()];
    await closed();
    await actions.reprocess(card, wanted);
  };
  element("again").onclick = reprocess();
  element("detail").onclick = reprocess(otherDetail);
  element("delete").onclick = async () => {
    const [card, all] = [shown, pictures()];
    const neighbour = all[all.indexOf(card) + 1] ?? all[all.indexOf(card) - 1];
    if (!(await actions.remove(card)) || !neighbour) return;
    await closed();
    neighbour.find(".open").focus();
  };
  dialog.addEventListener("cancel", (event) => {
    event.preventDefault();
    close();
  });
  dialog.addEventListener("close", () => {
    closing = false;
    zoom.reset();
    shown?.find(".open").focus();
  });
  addEventListener("keydown", (event) => [...document.querySelectorAll("dialog[open]")].at(-1) === dialog && onKey(event));
  addEventListener("popstate", () => !history.state?.viewer && dialog.open && dialog.close());
  addEventListener("resize", () => dialog.open && zoom.reset());
}
