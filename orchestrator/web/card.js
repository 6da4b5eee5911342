/** One photo in the gallery, with its newest job. */

const template = document.getElementById("card");
const THUMBNAIL_PX = 480;

/** Resolution and processing time as text. */
export function factsOf(job) {
  const ms = job.processing_time_ms;
  const time = ms < 1000 ? `${ms} ms` : `${(ms / 1000).toFixed(1)} s`;
  return `${job.result_width} × ${job.result_height} px · made in ${time}`;
}

export class Card {
  constructor(actions) {
    this.element = template.content.firstElementChild.cloneNode(true);
    this.photoId = null;
    this.job = null;
    const on = (name, act) => (this.find(name).onclick = () => act(this));
    on(".open", actions.open);
    on(".look", actions.open);
    on(".reprocess", actions.reprocess);
    on(".cancel", actions.cancel);
    on(".remove", actions.remove);
    on(".retake", actions.retake);
    this.find(".picture").onerror = (event) => (event.target.hidden = true); // such as a HEIC in a browser that can't show it
    this.find(".picture").onload = (event) => (event.target.hidden = false);
  }

  find(selector) {
    return this.element.querySelector(selector);
  }

  /** Show the words of a step, and the progress of the job (0–100). */
  step(words, progress, state = "running") {
    this.element.dataset.state = state;
    this.find(".step").textContent = words;
    this.find(".facts").hidden = state !== "completed";
    this.find(".percent").textContent = state === "running" ? `${Math.round(progress)}%` : "";
    this.element.style.setProperty("--progress", progress);
    this.buttons({ cancel: state === "running" && Boolean(this.job) });
  }

  /** Show a failure: what happened, and what to do about it. */
  fail(message, suggestion, { retake = false, reprocess = false } = {}) {
    this.step(message, 0, "failed");
    this.find(".suggestion").textContent = suggestion ?? "";
    this.find(".suggestion").hidden = !suggestion;
    this.buttons({ retake, reprocess, remove: true });
  }

  buttons(visible) {
    for (const name of ["look", "retake", "reprocess", "cancel", "remove"]) this.find(`.${name}`).hidden = !visible[name];
  }

  /** Show an event of the job's stream, or the job as the API returns it. */
  progress(job) {
    const words = job.step ?? job.current_step;
    this.find(".suggestion").hidden = true;
    this.find(".open").disabled = job.status !== "completed";
    if (job.status === "failed") {
      const photoIsBad = job.error_type === "quality_issue";
      this.fail(job.message ?? job.error_message, job.suggestion, { retake: photoIsBad, reprocess: !photoIsBad });
    } else if (job.status === "cancelled") {
      this.step("Cancelled", 0, "cancelled");
      this.buttons({ reprocess: true, remove: true });
    } else if (job.status === "completed") {
      this.step("Your iris is ready", 100, "completed");
      this.find(".facts").textContent = factsOf(job);
      this.buttons({ look: true });
    } else this.step(words, job.progress);
  }

  /** Show a picture by its URL. The previous one stays until the new one is decoded, so that the card does not go black. */
  async picture(url, alt) {
    const image = this.find(".picture");
    this.wanted = url;
    if (image.src && !image.hidden) {
      const next = new Image();
      next.src = url;
      await next.decode().catch(() => undefined); // onerror handles one that can't be shown
      if (this.wanted !== url) return;
    }
    image.loading = "lazy";
    image.decoding = "async";
    image.alt = alt;
    image.hidden = false;
    image.src = url;
    this.find(".open").setAttribute("aria-label", alt);
  }

  /** Show a small copy of a photo that is still on this device. */
  async local(photo) {
    try {
      const small = await createImageBitmap(photo, { resizeWidth: THUMBNAIL_PX, resizeQuality: "medium" });
      const canvas = new OffscreenCanvas(small.width, small.height);
      canvas.getContext("2d").drawImage(small, 0, 0);
      this.picture(URL.createObjectURL(await canvas.convertToBlob({ type: "image/jpeg" })), "Your photo");
    } catch {
      // this browser can't read the format, though the service can: no picture until the result
    }
  }
}
