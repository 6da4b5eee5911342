import { Irisvue } from "irisvue-client";

const { VITE_IRISVUE_URL, VITE_IRISVUE_TOKEN } = import.meta.env;

/** A real app passes a function as the token, which asks its own server for one: a token in a build is for everyone to read. */
export const client = new Irisvue({ baseUrl: VITE_IRISVUE_URL ?? "http://127.0.0.1:8000", token: VITE_IRISVUE_TOKEN ?? "" });
