/** What is on the stage: the hanging puppet, the live character, or a word of what is wrong. */

import { $, h, icon } from "./dom";
import { countdownOf, type Screen, screenOf, statusOf } from "./screens";
import type { State } from "./show";

export class Stage {
  readonly video = $<HTMLVideoElement>("character");
  #stage = $("stage");
  #screen = $("screen");
  #status = $("status");
  #state: State = { name: "idle" };
  #shown = "";
  #hush = 0;
  #later = "";

  /**
   * @param onAct the button of a screen was pressed
   * @param onToken a token was typed in
   */
  constructor(
    private readonly onAct: () => void,
    private readonly onToken: (token: string) => void,
  ) {
    this.video.addEventListener("resize", () => this.#measure());
    setInterval(() => this.#tell(), 500);
  }

  show(state: State): void {
    this.#state = state;
    this.#stage.dataset.state = state.name;
    if (state.name === "live") this.#stage.dataset.lit = "";
    else if (state.name !== "cut") delete this.#stage.dataset.lit;
    clearTimeout(this.#hush);
    this.#hush = 0;
    this.#tell();
    if (state.name === "live" && this.#later !== "") this.say(this.#later);
    if (state.name !== "opening") this.#later = "";
    const screen = screenOf(state);
    const key = JSON.stringify(screen);
    if (key === this.#shown) return; // a countdown that begins anew must not take the focus
    this.#shown = key;
    this.#screen.hidden = screen === null;
    const lost = this.#stage.contains(document.activeElement) || document.activeElement === document.body;
    this.#screen.replaceChildren(...(screen === null ? [] : this.#fill(screen)));
    // Whoever goes by keyboard stands where the button was that is hidden now.
    if (lost && state.name !== "idle") {
      const next = this.#screen.querySelector<HTMLElement>("input, button") ?? this.#stage;
      next.focus({ preventScroll: true });
    }
  }

  /** A word in passing, where the status is; while a show opens, once it is live. */
  say(text: string): void {
    if (this.#state.name === "opening") {
      this.#later = text; // its steps would drown it
      return;
    }
    this.#status.textContent = text;
    this.#status.dataset.more = "";
    clearTimeout(this.#hush);
    this.#hush = window.setTimeout(() => {
      this.#hush = 0;
      this.#tell();
    }, 5000);
  }

  #fill(screen: Screen): Node[] {
    const parts: Node[] = [icon(screen.icon), h("h2", {}, screen.title), h("p", {}, screen.text)];
    if (screen.token) {
      const input = h("input", {
        type: "password", "aria-label": "Token", placeholder: "Token", required: "", autocomplete: "off",
      }); // prettier-ignore
      const form = h("form", {}, input, h("button", { class: "primary", type: "submit" }, screen.action ?? ""));
      form.addEventListener("submit", (event) => {
        event.preventDefault();
        this.onToken(input.value.trim());
      });
      parts.push(form);
    } else if (screen.action !== null) {
      const button = h("button", { class: "primary", type: "button", id: "act" }, screen.action);
      button.addEventListener("click", this.onAct);
      parts.push(button);
    }
    return parts;
  }

  #tell(): void {
    if (this.#hush !== 0) return;
    const text = statusOf(this.#state);
    if (this.#status.textContent !== text) this.#status.textContent = text;
    this.#status.dataset.more = countdownOf(this.#state, performance.now());
  }

  /** The stage takes the shape of what is on it. */
  #measure(): void {
    const { videoWidth, videoHeight } = this.video;
    if (videoWidth === 0) return;
    document.documentElement.style.setProperty("--shape", (videoWidth / videoHeight).toFixed(4));
  }
}
