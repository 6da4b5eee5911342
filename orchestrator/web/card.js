/** One photo in the gallery, with its newest job. */

import { isPoor } from "./quality.js";
import { t, timeOf } from "./words.js";

const template = document.getElementById("card");
const BUTTONS = ["process", "retake", "reprocess", "retry", "resume", "stop", "cancel", "remove"];
const THUMBNAIL_PX = 480;

export class Card {
  photo = null; // as the API returns it, once it is uploaded
  entry = null; // of the outbox, until it has been accepted
  job = null;
  name = "";

  constructor(actions) {
    this.element = template.content.firstElementChild.cloneNode(true);
    this.element.card = this;
    this.actions = actions;
    for (const name of [...BUTTONS, "open"]) this.find(`.${name}`).onclick = () => actions[name](this);
    const image = this.find(".picture");
    image.onload = () => (image.hidden = false);
    image.onerror = () => this.#lost();
  }

  find(selector) {
    return this.element.querySelector(selector);
  }

  get state() {
    return this.element.dataset.state;
  }

  /** Newest first; what is not uploaded yet comes before everything else. */
  get order() {
    return this.photo ? Date.parse(this.photo.created_at) : 1e15 + (this.entry?.chosen ?? 0);
  }

  /** Show a state with its words, its progress (0–100) and its buttons. */
  show(state, words, { progress = 0, buttons = [], advice = null, code = null } = {}) {
    this.element.dataset.state = state;
    this.element.style.setProperty("--progress", progress);
    if (this.find(".step").textContent !== words) this.find(".step").textContent = words;
    this.find(".percent").textContent = state === "running" ? `${Math.round(progress)}%` : "";
    this.find(".sent").hidden = state !== "uploading";
    this.find(".sent").value = progress;
    this.find(".advice").hidden = !advice;
    this.find(".suggestion").textContent = advice ?? "";
    this.find(".advice use").setAttribute("href", `#h-${code}`);
    for (const name of BUTTONS) this.find(`.${name}`).hidden = !buttons.includes(name);
    this.#describe();
    this.actions.changed();
  }

  #describe() {
    const moment = this.photo?.created_at ?? this.entry?.chosen;
    const about = [moment && timeOf(moment), this.name].filter(Boolean).join(" · ");
    this.find(".about").textContent = about;
    this.find(".open").disabled = this.state !== "completed" && !document.body.classList.contains("selecting");
    const opens = this.state === "completed" ? `${t("Open")}: ` : "";
    this.find(".open").setAttribute("aria-label", `${opens}${this.find(".step").textContent}${about ? `, ${about}` : ""}`);
  }

  /** Show an event of the job's stream, or the job as the API returns it. */
  progress(job) {
    if (job.status === "failed") {
      const photoIsBad = job.error_type === "quality_issue";
      const buttons = [photoIsBad ? "retake" : "reprocess", "remove"];
      this.show("failed", job.message ?? job.error_message, { buttons, advice: job.suggestion, code: photoIsBad ? job.error_code : null });
    } else if (job.status === "cancelled") this.show("cancelled", t("Cancelled"), { buttons: ["reprocess", "remove"] });
    else if (job.status === "completed") this.show("completed", isPoor(job) ? t("Ready, but little can be seen") : t("Your iris is ready"));
    else this.show("running", job.step ?? job.current_step, { progress: job.progress, buttons: ["cancel"] });
  }

  /** Show a picture by its URL. The previous one stays until the new one is decoded, and if it can't be. */
  async picture(url, alt) {
    const image = this.find(".picture");
    this.wanted = url;
    if (image.src && !image.hidden) {
      const next = new Image();
      next.src = url;
      const shown = await next.decode().then(() => true, () => false);
      if (this.wanted !== url) return;
      if (!shown) return void this.#lost();
    }
    image.loading = "lazy";
    image.decoding = "async";
    image.alt = alt;
    image.src = url;
    image.hidden = false;
  }

  /** A picture is gone, its link has expired or this browser can't read it: get another link once, else show the photo. */
  #lost() {
    if (this.state === "completed" && this.renewed !== this.job.job_id) {
      this.renewed = this.job.job_id;
      return this.actions.renew(this);
    }
    const image = this.find(".picture"), photo = this.photo?.original_url;
    if (!image.complete || image.naturalWidth) return undefined;
    image.hidden = true;
    if (photo && image.src !== photo) this.picture(photo, t("Your photo"));
    return undefined;
  }

  /** Show a small copy of a photo that is still on this device. */
  async local(photo) {
    try {
      const small = await createImageBitmap(photo, { resizeWidth: THUMBNAIL_PX, resizeQuality: "medium" });
      const canvas = new OffscreenCanvas(small.width, small.height);
      canvas.getContext("2d").drawImage(small, 0, 0);
      const copy = URL.createObjectURL(await canvas.convertToBlob({ type: "image/jpeg" }));
      if (!this.wanted) this.picture(copy, t("Your photo"));
    } catch {
      // this browser can't read the format, though the service can: no picture until the result
    }
  }
}
