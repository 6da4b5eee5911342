/** The user's token: it comes from the link's fragment, which no server sees, and is kept in this browser. */

import { Irisvue } from "./irisvue/index.js";
import { keep, kept } from "./kept.js";
import { language, t } from "./words.js";

const KEY = "irisvue-token";
const dialog = document.getElementById("signin");
const field = document.getElementById("token");
const explanation = document.getElementById("signin-why");
let signingIn = null; // one dialog, however many requests were refused

function keepTokenOfLink() {
  const linkToken = new URLSearchParams(location.hash.slice(1)).get("token");
  if (!linkToken) return;
  keep(KEY, linkToken);
  history.replaceState(history.state, "", location.pathname + location.search);
}

/** Ask for a token; resolves when the user has entered one. */
export function signIn(words) {
  explanation.textContent = words ?? "";
  explanation.hidden = !words;
  signingIn ??= new Promise((resolve) => {
    dialog.oncancel = (event) => event.preventDefault();
    dialog.onclose = () => {
      keep(KEY, field.value.trim());
      field.value = "";
      signingIn = null;
      dispatchEvent(new Event("signedin"));
      resolve();
    };
    dialog.showModal();
  });
  return signingIn;
}

/** Forget the token on this device. */
export const signOut = () => keep(KEY, "");

keepTokenOfLink();
addEventListener("hashchange", () => {
  keepTokenOfLink();
  location.reload();
});

const token = () => kept(KEY) ?? "";
export const signedIn = () => Boolean(token());
export const client = new Irisvue({ baseUrl: new URL("..", import.meta.url).href, token, language, retries: 0 });

/** Whether the token was good for a time that is over; one that was never good says nothing of the kind. */
function hasExpired(words) {
  try {
    const claims = JSON.parse(atob(words.split(".")[1].replace(/-/g, "+").replace(/_/g, "/")));
    return claims.exp * 1000 < Date.now();
  } catch {
    return false;
  }
}

/** Repeat `work` while its token is refused; asks for a new token unless another one has been kept meanwhile. */
export async function withToken(work) {
  for (;;) {
    const used = token();
    try {
      return await work();
    } catch (error) {
      if (error.status !== 401) throw error;
      if (token() !== used) continue;
      await signIn(
        hasExpired(used)
          ? t("Your token is not valid any more. Paste a new one; your pictures and what you were sending are still here.")
          : t("This token doesn't work here. Paste another one; what you were sending is still here."),
      );
    }
  }
}
