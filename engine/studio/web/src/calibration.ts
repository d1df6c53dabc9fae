/** Three seconds to step into the outline, then the engine measures the performer. */

import { $, h } from "./dom";

const COUNT = 3;
const SECOND_MS = 1000;
const HOLD_MS = 1500;
const THANKS_MS = 1200;

export class Calibration {
  #box = $("calibration");
  #glass = $<HTMLVideoElement>("looking-glass");
  #count = this.#box.querySelector(".count") as HTMLElement;
  #say = this.#box.querySelector(".say") as HTMLElement;
  #leave = this.#box.querySelector("button") as HTMLButtonElement;
  #ended: AbortController | null = null;

  constructor() {
    this.#leave.addEventListener("click", () => this.end());
  }

  get open(): boolean {
    return this.#ended !== null;
  }

  /**
   * Count down, calibrate, and say how it went.
   * @param camera shown behind the outline, on this page only; null: not shown
   * @param calibrate asks the server
   */
  async run(camera: MediaStream | null, calibrate: () => Promise<void>): Promise<void> {
    if (this.open) return;
    const { signal } = (this.#ended = new AbortController());
    this.#glass.srcObject = camera;
    this.#glass.hidden = camera === null;
    this.#box.hidden = false;
    this.#box.dataset.step = "count";
    this.#say.textContent = "Stand in the outline: straight, arms down, facing the camera.";
    this.#leave.focus({ preventScroll: true });
    for (let left = COUNT; left > 0; left--) {
      this.#tick(String(left));
      await wait(SECOND_MS);
      if (signal.aborted) return;
    }
    this.#box.dataset.step = "hold";
    this.#tick("");
    this.#say.textContent = "Hold still…";
    let thanks = "Thank you: the character moves to your measure now.";
    try {
      await calibrate();
      await wait(HOLD_MS);
    } catch (error) {
      thanks = `That did not work: ${(error as Error).message}`;
    }
    if (signal.aborted) return;
    this.#box.dataset.step = "done";
    this.#say.textContent = thanks;
    await wait(THANKS_MS);
    if (!signal.aborted) this.end();
  }

  end(): void {
    if (this.#box.contains(document.activeElement)) $("calibrate").focus({ preventScroll: true });
    this.#ended?.abort();
    this.#ended = null;
    this.#box.hidden = true;
    this.#glass.srcObject = null;
  }

  /** A new element each time, so that its entrance is played again. */
  #tick(text: string): void {
    this.#count.replaceChildren(h("span", {}, text));
  }
}

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
