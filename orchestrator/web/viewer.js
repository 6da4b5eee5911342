/** The finished picture over the photo, with a slider between them. */

import { factsOf } from "./card.js";

const dialog = document.getElementById("viewer");
const compare = dialog.querySelector(".compare");
const slider = document.getElementById("slider");
const [before, after, facts, warnings] = ["before", "after", "facts", "warnings"].map((id) => document.getElementById(id));
const button = (id) => document.getElementById(id);

slider.oninput = () => compare.style.setProperty("--at", `${slider.value}%`);
dialog.onclick = (event) => event.target === dialog && dialog.close();
button("close").onclick = () => dialog.close();

const fileName = (job) => `iris-${job.completed_at.slice(0, 10)}-${job.job_id.slice(0, 8)}.jpg`;

async function fileOf(job) {
  const response = await fetch(job.result_url);
  if (!response.ok) throw new Error("The picture could not be fetched. Close it, open it again and try once more.");
  return new File([await response.blob()], fileName(job), { type: "image/jpeg" });
}

async function save(job) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await fileOf(job));
  link.download = fileName(job);
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** Show a finished job. `actions` has `reprocess`, `changeDetail`, `remove` and `showError`, which this dialog can't do itself. */
export function show(job, actions) {
  after.src = job.result_url;
  before.src = job.before_url ?? job.result_url;
  slider.value = 50;
  slider.oninput();
  const score = job.quality_score == null ? "" : ` · photo quality ${Math.round(job.quality_score * 100)} of 100`;
  facts.textContent = factsOf(job) + score;
  warnings.replaceChildren(...(job.quality_warnings ?? []).map((words) => Object.assign(document.createElement("li"), { textContent: words })));
  const closing = (work) => async () => {
    dialog.close();
    await work();
  };
  button("save").onclick = () => save(job).catch((error) => closing(() => actions.showError(error))());
  button("again").onclick = closing(actions.reprocess);
  const other = job.detail_used === "natural" ? "crisp" : "natural";
  button("detail").textContent = other === "crisp" ? "Make it crisp" : "Make it natural";
  button("detail").onclick = closing(() => actions.changeDetail(other));
  button("delete").onclick = closing(actions.remove);
  const empty = new File([""], "iris.jpg", { type: "image/jpeg" });
  button("share").hidden = !navigator.canShare?.({ files: [empty] });
  button("share").onclick = async () => {
    try {
      await navigator.share({ files: [await fileOf(job)], title: "My iris" });
    } catch (error) {
      if (error.name !== "AbortError") actions.showError(error);
    }
  };
  dialog.showModal();
  slider.focus();
}
