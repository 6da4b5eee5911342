/** Who is calling: a token from the link's fragment (which no server ever sees), kept in this browser. */

import { Irisvue } from "./irisvue/index.js";

const KEY = "irisvue-token";
const dialog = document.getElementById("signin");
const field = document.getElementById("token");
const why = document.getElementById("signin-why");
let asking = null; // one dialog for however many requests were refused

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

const token = () => localStorage.getItem(KEY) ?? "";
export const signedIn = () => Boolean(token());
export const client = new Irisvue({ baseUrl: location.origin, token });

/** Does `work` again for as long as its token is refused; asks for one unless another was kept meanwhile. */
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
