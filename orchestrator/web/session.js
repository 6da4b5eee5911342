/** The user's token: it comes from the link's fragment, which no server sees, and is kept in this browser. */

import { Irisvue } from "./irisvue/index.js";

const KEY = "irisvue-token";
const dialog = document.getElementById("signin");
const field = document.getElementById("token");
const explanation = document.getElementById("signin-why");
let signingIn = null; // one dialog, however many requests were refused

function keepTokenOfLink() {
  const linkToken = new URLSearchParams(location.hash.slice(1)).get("token");
  if (!linkToken) return;
  localStorage.setItem(KEY, linkToken);
  history.replaceState(null, "", location.pathname + location.search);
}

/** Ask for a token; resolves when the user has entered one. */
export function signIn(words) {
  if (words) explanation.textContent = words;
  signingIn ??= new Promise((resolve) => {
    dialog.oncancel = (event) => event.preventDefault();
    dialog.onclose = () => {
      localStorage.setItem(KEY, field.value.trim());
      field.value = "";
      signingIn = null;
      resolve();
    };
    dialog.showModal();
  });
  return signingIn;
}

keepTokenOfLink();
addEventListener("hashchange", () => {
  keepTokenOfLink();
  location.reload();
});

const token = () => localStorage.getItem(KEY) ?? "";
export const signedIn = () => Boolean(token());
export const client = new Irisvue({ baseUrl: new URL(".", location.href).href, token, language: document.documentElement.lang });

/** Repeat `work` while its token is refused; asks for a new token unless another one has been kept meanwhile. */
export async function withToken(work, words) {
  for (;;) {
    const used = token();
    try {
      return await work();
    } catch (error) {
      if (error.status !== 401) throw error;
      if (token() === used) await signIn(`Your token is not valid any more. Paste a new one${words}`);
    }
  }
}
