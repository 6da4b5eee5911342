import { Irisvue } from "irisvue-client";

/** A real app passes a function as the token, which asks its own server for one: a token in a build is for everyone to read. */
export const client = new Irisvue({
  baseUrl: process.env.EXPO_PUBLIC_IRISVUE_URL ?? "http://127.0.0.1:8000",
  token: process.env.EXPO_PUBLIC_IRISVUE_TOKEN ?? "",
});
