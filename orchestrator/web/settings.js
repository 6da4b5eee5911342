/** What users choose for themselves, in the settings and beside the photos that are ready. */

import { keep, kept } from "./kept.js";
import { chooseLanguage, language, LANGUAGES } from "./words.js";

const dialog = document.getElementById("settings");
const switches = [...document.querySelectorAll("[data-setting]")];
const key = (name) => `irisvue-${name}`;

/** Whether `automatic` (process photos once they are uploaded) or `first-look` (a quick picture first) is on. */
export const isOn = (name) => kept(key(name)) === "on";

function show() {
  for (const input of switches) input.checked = isOn(input.dataset.setting);
}

/** `changed` is called with the name of a switch that has been turned. */
export function addSettings(changed) {
  for (const input of switches) {
    input.onchange = () => {
      keep(key(input.dataset.setting), input.checked ? "on" : "off");
      show();
      changed(input.dataset.setting);
    };
  }
  show();
  const choice = document.getElementById("language");
  choice.append(...Object.entries(LANGUAGES).map(([name, words]) => new Option(words, name, false, name === language)));
  choice.onchange = () => chooseLanguage(choice.value);
  document.getElementById("settings-open").onclick = () => dialog.showModal();
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close()); // outside of it
}
