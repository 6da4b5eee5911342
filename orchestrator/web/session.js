/** Who is calling: a token from the link's fragment (which no server ever sees), kept in this browser. */

import { Irisvue } from "./irisvue/index.js";

const KEY = "irisvue-token";
const dialog = document.getElementById("signin");
const field = document.getElementById("token");
const why = document.getElementById("signin-why");
let asking = null;

function fromAddress() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (!given) return;
  localStorage.setItem(KEY, given);
  history.replaceState(null, "", location.pathname + location.search);
}

/** Asks for a token until there is one. */
export function signIn(words) {
  if (words) why.textContent = words;
  asking ??= new Promise((resolve) => {
    dialog.oncancel = (event) => event.preventDefault();
    dialog.onclose = () => {
      localStorage.setItem(KEY, field.value.trim());
      field.value = "";
      asking = null;
      resolve();
    };
    dialog.showModal();
  });
  return asking;
}

fromAddress();
addEventListener("hashchange", () => {
  fromAddress();
  location.reload();
});

export const signedIn = () => Boolean(localStorage.getItem(KEY));
export const client = new Irisvue({ baseUrl: location.origin, token: () => localStorage.getItem(KEY) ?? "" });
