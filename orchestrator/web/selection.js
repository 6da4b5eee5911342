/** Selecting many pictures, to save, process, cancel or delete them at once. */

import { cards } from "./gallery.js";
import { save } from "./save.js";
import { t } from "./words.js";

const HOLD_MS = 500;
const button = (id) => document.getElementById(id);
const [bar, start] = ["selection", "select"].map(button);
const chosen = () => cards().filter((card) => card.element.classList.contains("selected"));
const isOn = () => document.body.classList.contains("selecting");

/** Turn a card's selection, if one is given, and show what can be done with those that are selected. */
export function updateSelection(card) {
  card?.element.classList.toggle("selected");
  const all = cards(), selected = chosen(), states = new Set(selected.map((one) => one.state));
  start.hidden = all.length < 2 && !isOn();
  if (!isOn()) return;
  if (!all.length) return set(false);
  for (const one of all) {
    one.find(".open").disabled = false;
    one.find(".open").setAttribute("aria-pressed", one.element.classList.contains("selected"));
  }
  button("selected").textContent = t("{n} of {total}", { n: selected.length, total: all.length });
  button("select-all").textContent = selected.length === all.length ? t("None") : t("All");
  button("save-many").hidden = !states.has("completed");
  button("process-many").hidden = !states.has("ready");
  button("cancel-many").hidden = !states.has("running");
  button("delete-many").hidden = !selected.length;
}

function set(on) {
  document.body.classList.toggle("selecting", on);
  bar.hidden = !on;
  start.textContent = on ? t("Done") : t("Select");
  for (const card of cards()) {
    card.element.classList.remove("selected");
    if (on) continue;
    card.find(".open").removeAttribute("aria-pressed");
    card.find(".open").disabled = card.state !== "completed";
  }
  updateSelection();
}

/** A long press begins a selection with the picture under the finger. */
function addLongPress() {
  let timer;
  const gallery = button("gallery");
  const end = () => clearTimeout(timer);
  const ignore = (click) => click.stopPropagation();
  gallery.addEventListener("pointerdown", (event) => {
    const card = event.target.closest(".card")?.card;
    if (event.pointerType !== "touch" || !card || isOn()) return;
    timer = setTimeout(() => {
      set(true);
      updateSelection(card);
      addEventListener("click", ignore, true); // of the finger that is lifted now, where the browser makes one
      addEventListener("pointerdown", () => removeEventListener("click", ignore, true), { capture: true, once: true });
    }, HOLD_MS);
  });
  for (const name of ["pointerup", "pointercancel", "pointermove"]) gallery.addEventListener(name, end);
  gallery.addEventListener("contextmenu", (event) => isOn() && event.preventDefault());
}

export function addSelection({ attempt, processAll, removeCards, cancel }) {
  addLongPress();
  start.onclick = () => set(!isOn());
  button("select-done").onclick = () => {
    set(false);
    start.focus();
  };
  button("select-all").onclick = () => {
    const all = chosen().length < cards().length;
    for (const card of cards()) card.element.classList.toggle("selected", all);
    updateSelection();
  };
  const act = (work) => () => attempt(async () => (await work(chosen())) !== false && set(false));
  button("save-many").onclick = act((selected) => save(selected.filter((card) => card.state === "completed").map((card) => card.job.job_id)));
  button("process-many").onclick = act(processAll);
  button("cancel-many").onclick = act((selected) => Promise.all(selected.filter((card) => card.state === "running").map(cancel)));
  button("delete-many").onclick = act(removeCards);
  addEventListener("keydown", (event) => event.key === "Escape" && isOn() && !document.querySelector("dialog[open]") && set(false));
}
