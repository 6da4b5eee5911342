import type { CompletedJob } from "irisvue-client";
import { client } from "../client";
import { fileName } from "../logic/outcome";

/** Downloads the picture; words for people. */
export async function save(job: CompletedJob): Promise<string> {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await client.download(job));
  link.download = fileName(job);
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  return "Saved.";
}

/** Copies a link that anyone may open for a week; words for people. */
export async function share(job: CompletedJob): Promise<string> {
  const { url } = await client.share(job.job_id);
  await navigator.clipboard.writeText(url);
  return "Link copied. Anyone who has it can see this picture for a week.";
}
