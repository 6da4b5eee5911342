/** What is said about a finished picture. */

import { t } from "./words.js";

const LOW = 0.5;

/** Whether there is little to be seen in the picture, however well its outline was found. */
export const isPoor = (job) => job.quality_score < LOW || (job.warning_codes ?? []).includes("low_contrast");

/** One sentence about the picture. */
export function verdictOf(job) {
  if (job.quality_score == null) return "";
  if (isPoor(job)) return t("Little of your iris can be seen in this photo. Take another one for a better picture:");
  return job.quality_warnings?.length ? t("A fair picture. It can be better:") : t("A clear picture.");
}

/** Resolution, processing time and score as text. */
export function factsOf(job) {
  const ms = job.processing_time_ms;
  const time = ms < 1000 ? `${ms} ms` : `${(ms / 1000).toFixed(1)} s`;
  const facts = t("{width} × {height} px · made in {time}", { width: job.result_width, height: job.result_height, time });
  if (job.quality_score == null) return facts;
  return `${facts} · ${t("photo quality {score} of 100", { score: Math.round(job.quality_score * 100) })}`;
}
