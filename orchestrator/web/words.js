/** The page's own words. The code has them in English; /web/words/ has a catalogue for each other language, by the English.
 *  What the service says comes in the same language: the client asks for it. */

import { keep, kept } from "./kept.js";

export const LANGUAGES = { en: "English", de: "Deutsch", fr: "Français" };
const KEY = "irisvue-language";
const wanted = [kept(KEY), ...navigator.languages].map((name) => name?.slice(0, 2).toLowerCase());
export const language = wanted.find((name) => name in LANGUAGES) ?? "en";
const catalogue = language === "en" ? {} : await fetch(new URL(`words/${language}.json`, import.meta.url)).then((answer) => answer.json(), () => ({}));

/** These words in the user's language, with the values put in for their {names}; as they are if the catalogue lacks them. */
export function t(words, values = {}) {
  return (catalogue[words] ?? words ?? "").replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

export function chooseLanguage(name) {
  keep(KEY, name);
  location.reload();
}

const today = new Date().toDateString();
const clock = new Intl.DateTimeFormat(language, { timeStyle: "short" });
const calendar = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" });

/** A moment as people say it: only the time if it is today. */
export const timeOf = (moment) => (new Date(moment).toDateString() === today ? clock : calendar).format(new Date(moment));

function translate(part) {
  for (const element of part.querySelectorAll("[data-t]")) element.textContent = t(element.textContent);
  for (const name of ["aria-label", "alt"]) {
    for (const element of part.querySelectorAll(`[${name}]`)) element.setAttribute(name, t(element.getAttribute(name)));
  }
}

document.documentElement.lang = language;
translate(document);
for (const template of document.querySelectorAll("template")) translate(template.content);
