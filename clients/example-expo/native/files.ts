import { File, Paths } from "expo-file-system";
import { Asset, requestPermissionsAsync } from "expo-media-library";
import { shareAsync } from "expo-sharing";
import type { CompletedJob } from "irisvue-client";
import { fileName } from "../logic/outcome";

async function downloaded(job: CompletedJob): Promise<string> {
  const file = new File(Paths.cache, fileName(job));
  return (await File.downloadFileAsync(job.result_url, file, { idempotent: true })).uri;
}

/** Puts the picture among the phone's photos; words for people. */
export async function save(job: CompletedJob): Promise<string> {
  if (!(await requestPermissionsAsync(true)).granted) return "Allow access to your photos in the settings.";
  await Asset.create(await downloaded(job));
  return "Saved to your photos.";
}

/** Hands the picture to another app; words for people. */
export async function share(job: CompletedJob): Promise<string> {
  await shareAsync(await downloaded(job), { mimeType: "image/jpeg" });
  return "";
}
