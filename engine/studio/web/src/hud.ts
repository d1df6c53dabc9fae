/** The figures, as a person reads them. */

import { $, h, icon, moment, save } from "./dom";
import type { Meter, Second, Summary } from "./meter";
import { plot } from "./plot";
import type { Push } from "./protocol";

const SCHEMA_VERSION = 1;
const ASK_MS = 2000;
const NOTHING = "Nothing to measure yet: the figures come with the show.";
const OVER = "Nothing is measured now: these are the last figures.";

/** What gets a report from the server of its own half; null where there is none. */
export type ServerReport = () => Promise<Record<string, unknown> | null>;

const FIGURES: [string, (second: Second, rtt: number | null) => string][] = [
  ["Shown", ({ figures }) => `${figures.fps.toFixed(1)} fps`],
  ["Sent", ({ figures }) => `${figures.sentFps.toFixed(1)} fps`],
  ["Dropped here", ({ counters }) => String(counters.framesDropped)],
  ["Freezes", ({ counters }) => `${counters.freezes} (${counters.freezes_s.toFixed(1)} s)`],
  ["Round trip", ({ counters }, rtt) => ms(rtt ?? counters.roundTrip_ms)],
  ["Jitter", ({ counters }) => ms(counters.jitter_ms)],
  ["Loss down", ({ figures }) => `${(figures.loss * 100).toFixed(1)} %`],
  ["Loss up", ({ counters }) => percent(counters.sentLoss)],
  ["Down", ({ figures }) => `${figures.received_kbps.toFixed(0)} kbit/s`],
  ["Up", ({ figures }) => `${figures.sent_kbps.toFixed(0)} kbit/s`],
  ["Character", ({ counters }) => [counters.codec, counters.size].filter(Boolean).join(" ") || "–"],
  ["Camera", ({ counters }) => counters.sentSize ?? "–"],
  ["Encoder", ({ counters }) => limited(counters.encoder, counters.encoderLimit)],
  ["Decoder", ({ counters }) => counters.decoder ?? "–"],
];

export class Hud {
  #panel = $("panel-figures");
  #chip = $("chip");
  #total = h("p", { class: "total" });
  #note = h("p", { class: "fine" });
  #canvas = h("canvas", { class: "plot", role: "img", "aria-label": "Latency over the last minute" });
  #ribbon = h("div", { class: "ribbon", "aria-hidden": "true" });
  #legend = h("dl", { class: "legend" });
  #table = h("dl", { class: "figures" });
  #pushes = h("dl", { class: "figures pushes" });
  #away: HTMLElement;
  #asked = -Infinity;
  #empty = h("p", { class: "fine" });
  #body: HTMLElement;

  constructor(
    private readonly meter: Meter,
    private readonly server: ServerReport,
  ) {
    const exporting = h("button", { class: "plain", type: "button", id: "export" }, icon("save"), "Save the report");
    exporting.addEventListener("click", () => void this.#export());
    const section = (title: string, ...parts: Node[]): HTMLElement =>
      h("section", {}, h("h2", {}, title), ...parts);
    this.#away = section("Where else it goes", this.#pushes);
    this.#away.hidden = true;
    this.#body = h(
      "div",
      { hidden: "" },
      section("From camera to screen", this.#total, this.#canvas, this.#note),
      section("Where the time goes", this.#ribbon, this.#legend),
      this.#away,
      section("Pictures and network", this.#table, exporting),
    );
    this.#panel.append(this.#empty, this.#body);
  }

  /** Whether the figures are wanted at all. */
  show(on: boolean): void {
    this.#chip.dataset.on = String(on);
    this.draw();
  }

  draw(): void {
    const last = this.meter.seconds.at(-1);
    const { running } = this.meter;
    this.#empty.hidden = running && last !== undefined;
    this.#empty.textContent = last === undefined ? NOTHING : OVER;
    this.#body.hidden = last === undefined;
    const summary = this.meter.summary();
    this.#chip.hidden = this.#chip.dataset.on !== "true" || last === undefined || !running;
    if (last === undefined) return;
    const fps = `${last.figures.fps.toFixed(0)} fps`;
    this.#chip.textContent = summary === null ? fps : `${summary.p50.toFixed(0)} ms · ${fps}`;
    if (this.#panel.hidden) return;
    this.#way(summary);
    this.#table.replaceChildren(
      ...FIGURES.map(([name, value]) =>
        h("div", {}, h("dt", {}, name), h("dd", {}, value(last, this.meter.clock.roundTrip))),
      ),
    );
    plot(this.#canvas, this.meter.samples, this.meter.now);
    void this.#look();
  }

  /** Streaming services and the virtual camera, as the server tells of them. */
  async #look(): Promise<void> {
    const now = performance.now();
    if (now - this.#asked < ASK_MS) return;
    this.#asked = now;
    const report = await this.server().catch(() => null);
    const pushes = (report?.pushes ?? []) as Push[];
    this.#away.hidden = pushes.length === 0;
    this.#pushes.replaceChildren(
      ...pushes.map(({ to, state, error }) =>
        h("div", {}, h("dt", {}, to), h("dd", {}, state), ...(error === null ? [] : [h("dd", {}, error)])),
      ),
    );
  }

  #way(summary: Summary | null): void {
    if (summary === null) {
      this.#total.replaceChildren("–");
      this.#note.textContent =
        "Latency cannot be measured: it takes time stamps of the server, and a browser that tells when it shows which picture.";
      this.#ribbon.replaceChildren();
      this.#legend.replaceChildren();
      return;
    }
    const { p50, p95, worst, uncertainty_ms, from_camera, pictures, parts } = summary;
    this.#total.replaceChildren(
      h("b", {}, from_camera ? p50.toFixed(0) : `≥ ${p50.toFixed(0)}`),
      " ms",
      h("span", {}, `± ${uncertainty_ms.toFixed(1)}`),
    );
    const range = `p95 ${p95.toFixed(0)} ms, longest ${worst.toFixed(0)} ms, of ${pictures} pictures in 5\u00a0s.`;
    this.#note.textContent = from_camera
      ? range
      : `${range} From the server's receipt: this camera's own time cannot be told, so the way to the server is not in it.`;
    const shares = parts.filter((part) => part.ms >= 0.05);
    this.#ribbon.replaceChildren(...shares.map((part) => band(part.ms, part.name)));
    this.#legend.replaceChildren(
      ...shares.map((part) =>
        h(
          "div",
          { "data-part": part.name },
          h("dt", {}, part.name),
          h("dd", {}, `${part.ms.toFixed(1)} ms`),
        ),
      ),
    );
  }

  async #export(): Promise<void> {
    const { meter } = this;
    const report = {
      schema_version: SCHEMA_VERSION,
      made_at: new Date().toISOString(),
      browser: navigator.userAgent,
      clock: meter.clock.offset(performance.now()),
      last_minute: meter.summary(60_000),
      pictures: meter.samples,
      seconds: meter.seconds,
      server: await this.server(),
    };
    const text = `${JSON.stringify(report, null, 1)}\n`;
    save(new Blob([text], { type: "application/json" }), `Ayatsuri report ${moment()}.json`);
  }
}

function band(value: number, part: string): HTMLElement {
  const element = h("span", { "data-part": part });
  element.style.flexGrow = value.toFixed(2); // CSP forbids attributes, not this
  return element;
}

function ms(value: number | null): string {
  return value === null ? "–" : `${value.toFixed(1)} ms`;
}

function percent(share: number | null): string {
  return share === null ? "–" : `${(share * 100).toFixed(1)} %`;
}

function limited(encoder: string | null, limit: string | null): string {
  return limit === null || limit === "none" ? (encoder ?? "–") : `${encoder}, held by ${limit}`;
}
