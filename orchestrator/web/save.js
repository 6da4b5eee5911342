/** Saves finished pictures: one as a JPEG, several in one ZIP file. */

import { client } from "./session.js";
import { t } from "./words.js";

const fileName = (job) => `iris-${job.completed_at.slice(0, 10)}-${job.job_id.slice(0, 8)}.jpg`;

/** The finished picture of a job as a file. */
export async function fileOf(job) {
  const response = await fetch(job.result_url);
  if (!response.ok) throw new Error(t("The picture could not be fetched. Close it, open it again and try once more."));
  return new File([await response.blob()], fileName(job), { type: "image/jpeg" });
}

export function download(file) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = file.name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** Save the pictures of these jobs; all of them or, where one can't be had, none. */
export async function save(jobIds) {
  const files = [];
  for (const id of jobIds) files.push(await fileOf(await client.getJob(id)));
  if (files.length === 1) return download(files[0]);
  const { zip } = await import("./zip.js");
  return download(await zip(files, `iris-${new Date().toISOString().slice(0, 10)}.zip`));
}
