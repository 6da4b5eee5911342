/** Zoom, pan and swipes in the viewer's stage: pinch, double tap, wheel and keys. */

const MAX_SCALE = 8;
const TAP_SCALE = 2.5;
const TAP_MS = 300;
const TAP_PX = 12;
const SWIPE_PX = 60;

export class Zoom {
  #scale = 1;
  #x = 0;
  #y = 0;
  #fingers = new Map();
  #start = null; // of the gesture: where and when its first finger touched
  #lastTap = null;

  /** `onSwipe` is called with "left", "right" or "down" when a picture that is not zoomed is pushed there. */
  constructor(stage, frame, onSwipe) {
    Object.assign(this, { stage, frame, onSwipe });
    stage.addEventListener("pointerdown", (event) => this.#down(event));
    stage.addEventListener("pointermove", (event) => this.#move(event));
    for (const name of ["pointerup", "pointercancel"]) stage.addEventListener(name, (event) => this.#up(event));
    stage.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
  }

  get scale() {
    return this.#scale;
  }

  reset() {
    [this.#scale, this.#x, this.#y] = [1, 0, 0];
    this.#fingers.clear();
    this.#apply();
  }

  /** Zoom by a factor; the point at (x, y) of the window, by default the stage's middle, stays where it is. */
  by(factor, x, y) {
    const box = this.stage.getBoundingClientRect();
    const px = (x ?? box.x + box.width / 2) - box.x - box.width / 2;
    const py = (y ?? box.y + box.height / 2) - box.y - box.height / 2;
    const scale = Math.min(Math.max(this.#scale * factor, 1), MAX_SCALE);
    this.#x = px - ((px - this.#x) * scale) / this.#scale;
    this.#y = py - ((py - this.#y) * scale) / this.#scale;
    this.#scale = scale;
    this.#apply();
  }

  #apply() {
    const { frame, stage } = this;
    const room = (inner, outer) => Math.max(0, (inner * this.#scale - outer) / 2);
    const [right, bottom] = [room(frame.offsetWidth, stage.clientWidth), room(frame.offsetHeight, stage.clientHeight)];
    this.#x = Math.min(Math.max(this.#x, -right), right);
    this.#y = Math.min(Math.max(this.#y, -bottom), bottom);
    frame.style.transform = this.#scale === 1 ? "" : `translate(${this.#x}px, ${this.#y}px) scale(${this.#scale})`;
    frame.style.setProperty("--zoom", this.#scale);
    frame.style.setProperty("--middle", 0.5 - this.#y / (this.#scale * (frame.offsetHeight || 1))); // where the knob can be seen
    stage.classList.toggle("zoomed", this.#scale > 1);
  }

  #middle() {
    const [a, b = a] = [...this.#fingers.values()];
    return { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2, span: Math.hypot(a.x - b.x, a.y - b.y) };
  }

  #down(event) {
    if (event.target.closest("button, .knob") || event.button) return;
    this.stage.setPointerCapture(event.pointerId);
    this.#fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    this.#start = this.#fingers.size === 1 ? { x: event.clientX, y: event.clientY, at: event.timeStamp } : null;
  }

  #move(event) {
    const finger = this.#fingers.get(event.pointerId);
    if (!finger) return;
    const before = this.#middle();
    Object.assign(finger, { x: event.clientX, y: event.clientY });
    const now = this.#middle();
    if (before.span > 0) this.by(now.span / before.span, now.x, now.y);
    if (this.#scale === 1) return;
    this.#x += now.x - before.x;
    this.#y += now.y - before.y;
    this.#apply();
  }

  #up(event) {
    if (!this.#fingers.delete(event.pointerId) || !this.#start || event.type === "pointercancel") return;
    const { x, y, at } = this.#start;
    const [dx, dy] = [event.clientX - x, event.clientY - y];
    this.#start = null;
    if (Math.hypot(dx, dy) < TAP_PX && event.timeStamp - at < TAP_MS) this.#tap(event);
    else if (this.#scale > 1 || event.pointerType === "mouse") return;
    else if (Math.abs(dx) > SWIPE_PX && Math.abs(dx) > 2 * Math.abs(dy)) this.onSwipe(dx > 0 ? "right" : "left");
    else if (dy > 2 * SWIPE_PX && dy > 2 * Math.abs(dx)) this.onSwipe("down");
  }

  #tap(event) {
    const last = this.#lastTap;
    const isSecond = last && event.timeStamp - last.at < TAP_MS && Math.hypot(event.clientX - last.x, event.clientY - last.y) < 3 * TAP_PX;
    this.#lastTap = isSecond ? null : { x: event.clientX, y: event.clientY, at: event.timeStamp };
    if (isSecond) this.by(this.#scale > 1 ? 0 : TAP_SCALE, event.clientX, event.clientY);
  }

  #wheel(event) {
    event.preventDefault();
    this.by(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.002)), event.clientX, event.clientY); // ctrl: a touchpad's pinch
  }
}
