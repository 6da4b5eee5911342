export type Route = { screen: "gallery" } | { screen: "camera" } | { screen: "job"; jobId: string };

const UUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}";
const JOB = new RegExp(`(?:^[a-z][a-z0-9+.-]*://iris/|[?&]job=)(${UUID})(?:[&#?]|$)`, "i");

/**
 * Where a link leads: `irisvue://iris/ID`, which the service sends as `deep_link` where IRISVUE_DEEP_LINK is
 * `irisvue://iris/{job_id}`, or `https://…/?job=ID`, its `url`. Whatever else arrives opens the gallery.
 */
export function routeOf(link: string | null | undefined): Route {
  const jobId = JOB.exec(link ?? "")?.[1];
  return jobId ? { screen: "job", jobId: jobId.toLowerCase() } : { screen: "gallery" };
}
