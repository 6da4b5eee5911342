/** Asks before something is done that can't be undone. */

const dialog = document.getElementById("confirm");

/** Whether the user agrees; `action` names the button that does it. The focus goes back to where it was. */
export function confirmed(words, action) {
  document.getElementById("confirm-words").textContent = words;
  document.getElementById("confirm-yes").textContent = action;
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true }));
}
