import type { PhotoResponse, ProgressMessage } from "irisvue-client";
import { describe, expect, test } from "vitest";
import { arcOf, guideOf, shareAt } from "./geometry";
import { fileName, offersFor } from "./outcome";
import { registrationOf, routeOfNotification } from "./push";
import { routeOf } from "./route";
import { tileOf, told } from "./tiles";

const JOB = "0f8fad5b-d9cb-469f-a165-70867728950e";
const OTHER = "7c9e6679-7425-40de-944b-e07fc1f90ae7";
const PHOTO = {
  id: "p1", original_url: "original", thumbnail_url: null,
  latest_job: { job_id: JOB, status: "processing", progress: 20, current_step: "Finding your iris..." },
} as PhotoResponse;
const message = (about: Partial<ProgressMessage>): ProgressMessage =>
  ({ job_id: JOB, status: "processing", progress: 60, step: "Enhancing quality...", timestamp: "", ...about });

describe("a link", () => {
  test.each([`irisvue://iris/${JOB}`, `https://iris.example.com/?job=${JOB}`, `http://localhost:8081/?a=1&job=${JOB.toUpperCase()}#x`])("leads to its job: %s", (link) => {
    expect(routeOf(link)).toEqual({ screen: "job", jobId: JOB });
  });

  test.each([null, "", "irisvue://", "irisvue://iris/", "irisvue://iris/../photos", `irisvue://delete/${JOB}`, `irisvue://iris/${JOB}0`, `https://x/?job=${JOB}/..`, "javascript:alert(1)"])("that is none of ours opens the gallery: %s", (link) => {
    expect(routeOf(link)).toEqual({ screen: "gallery" });
  });
});

describe("a push", () => {
  test("is registered with Firebase's token, which only Android has", () => {
    expect(registrationOf({ type: "android", data: "fcm" })).toEqual({ token: "fcm", platform: "android" });
    expect(registrationOf({ type: "ios", data: "apns" })).toBeNull();
    expect(registrationOf({ type: "web", data: { endpoint: "https://…" } })).toBeNull();
  });

  test("opens its job, by its deep link or its id", () => {
    expect(routeOfNotification({ job_id: JOB })).toEqual({ screen: "job", jobId: JOB });
    expect(routeOfNotification({ job_id: OTHER, deep_link: `irisvue://iris/${JOB}` })).toEqual({ screen: "job", jobId: JOB });
    for (const data of [null, undefined, {}, { job_id: 7 }, { deep_link: "elsewhere://x" }]) expect(routeOfNotification(data)).toBeNull();
  });
});

describe("the gallery", () => {
  test("shows each photo by what has become of it", () => {
    expect(tileOf(PHOTO)).toEqual({ photoId: "p1", jobId: JOB, picture: "original", state: "running", percent: 20, words: "Finding your iris..." });
    expect(tileOf({ ...PHOTO, latest_job: null, thumbnail_url: "small" })).toMatchObject({ state: "ready", jobId: null, picture: "small" });
    const failed = { ...PHOTO.latest_job!, status: "failed" as const, error_message: "No iris." };
    expect(tileOf({ ...PHOTO, latest_job: failed })).toMatchObject({ state: "failed", words: "No iris." });
    expect(tileOf({ ...PHOTO, latest_job: { ...failed, status: "cancelled" } })).toMatchObject({ state: "ready" });
  });

  test("follows the stream of all jobs", () => {
    const tiles = [tileOf({ ...PHOTO, id: "p0", latest_job: null }), tileOf(PHOTO)];
    expect(told(tiles, message({}))).toEqual([tiles[0], { ...tiles[1], percent: 60, words: "Enhancing quality..." }]);
    expect(told(tiles, message({ status: "failed", message: "No iris." }))?.[1]).toMatchObject({ state: "failed", words: "No iris." });
    expect(told(tiles, message({ type: "deleted", photo_id: "p1" }))).toEqual([tiles[0]]);
  });

  test("asks again for what a message does not tell", () => {
    expect(told([tileOf(PHOTO)], message({ job_id: OTHER }))).toBeNull();
    expect(told([tileOf(PHOTO)], message({ status: "completed" }))).toBeNull();
  });
});

describe("geometry", () => {
  test("a ring closes from nothing to whole, and no further", () => {
    const { length } = arcOf(0, 10);
    expect(length).toBeCloseTo(62.83);
    expect([-5, 0, 25, 100, 130].map((percent) => Math.round((100 * arcOf(percent, 10).hidden) / length))).toEqual([100, 100, 75, 0, 0]);
  });

  test.each([[390, 844], [844, 390], [300, 300]])("the guide lies on a picture of %d × %d", (width, height) => {
    const { x, y, radius } = guideOf(width, height);
    expect([x - radius, y - radius, width - x - radius, height - y - radius].every((margin) => margin >= 0)).toBe(true);
  });

  test("a finger beyond the slider is at its end", () => {
    expect([-10, 0, 50, 200, 300].map((x) => shareAt(x, 200))).toEqual([0, 0, 0.25, 1, 1]);
    expect(shareAt(10, 0)).toBe(0.5);
  });
});

test("a photo that can't be used asks for another; what went wrong here is tried again", () => {
  expect(offersFor({ error_type: "quality_issue" })).toEqual(["camera"]);
  expect(offersFor({ error_type: "transient_error" })[0]).toBe("reprocess");
});

test("a saved picture is named by its day and job", () => {
  expect(fileName({ job_id: JOB, created_at: "2026-11-29T22:00:00Z" })).toBe("iris-20261129-0f8fad5b.jpg");
});
