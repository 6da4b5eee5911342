/** The dashes of a circle's stroke of which `percent` is drawn. */
export function arcOf(percent: number, radius: number): { length: number; hidden: number } {
  const length = 2 * Math.PI * radius;
  return { length, hidden: length * (1 - Math.min(100, Math.max(0, percent)) / 100) };
}

/** The circle on the camera's picture that the iris should fill: most of the shorter side, a little above the middle. */
export function guideOf(width: number, height: number): { x: number; y: number; radius: number } {
  const radius = 0.36 * Math.min(width, height);
  return { x: width / 2, y: Math.max(radius, 0.46 * height), radius };
}

/** Which share of a slider lies left of a finger, 0–1. */
export function shareAt(x: number, width: number): number {
  return width > 0 ? Math.min(1, Math.max(0, x / width)) : 0.5;
}
