import type { PhotoResponse, ProgressMessage } from "irisvue-client";

/** One photo in the gallery. */
export interface Tile {
  photoId: string;
  jobId: string | null;
  picture: string;
  state: "ready" | "running" | "completed" | "failed";
  percent: number;
  words: string;
}

export function tileOf(photo: PhotoResponse): Tile {
  const job = photo.latest_job;
  const state = !job || job.status === "cancelled" ? "ready" : job.status === "completed" || job.status === "failed" ? job.status : "running";
  return {
    photoId: photo.id,
    jobId: job?.job_id ?? null,
    picture: photo.thumbnail_url ?? photo.original_url,
    state,
    percent: job?.progress ?? 0,
    words: (state === "failed" ? job?.error_message : job?.current_step) ?? "",
  };
}

/** The gallery after a message of the stream of all jobs; null where only asking again tells: a new photo, or a picture that is done. */
export function told(tiles: Tile[], message: ProgressMessage): Tile[] | null {
  if (message.type === "deleted") return tiles.filter((tile) => tile.photoId !== message.photo_id);
  const tile = tiles.find((one) => one.jobId === message.job_id);
  if (!tile || message.status === "completed" || message.status === "cancelled") return null;
  const failed = message.status === "failed";
  const words = (failed ? message.message : message.step) ?? "";
  const changed: Tile = { ...tile, state: failed ? "failed" : "running", percent: message.progress, words };
  return tiles.map((one) => (one === tile ? changed : one));
}
