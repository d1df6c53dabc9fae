/** Measures a show while it is on: every picture's way, and the state of the network each second. */

import { ServerClock } from "./clocks";
import { between, type Counters, type Figures, read } from "./figures";
import { Matcher, measure, percentile, type Sample, uploadTime } from "./latency";
import type { Performer } from "./line";
import type { ServerMessage } from "./protocol";

/** What is remembered, and plotted. */
export const WINDOW_MS = 60_000;
const LOOK_MS = 1000;
/** Often at first, so that the clocks are known at once. */
const FIRST_PINGS_MS = [0, 100, 200, 400, 700];
const CAPTURES = 150;
const SUMMARY_MS = 5000;

export interface Second {
  at: number;
  counters: Counters;
  figures: Figures;
}

export interface Summary {
  p50: number;
  p95: number;
  worst: number;
  pictures: number;
  uncertainty_ms: number;
  from_camera: boolean;
  /** The mean way, in parts that add up to the mean of the whole. */
  parts: { name: string; ms: number }[];
}

export class Meter {
  samples: Sample[] = [];
  seconds: Second[] = [];
  readonly clock = new ServerClock();
  /** Whether a person is in the picture; null where the server does not say. */
  present: boolean | null = null;
  #matcher = new Matcher();
  #line: Performer | null = null;
  #glass = document.createElement("video");
  #captured: number[] = [];
  #received: number[] = [];
  #upload: number | null = null;
  #timers: number[] = [];
  #counters: Counters | null = null;

  /**
   * @param stage where the character is shown
   * @param onLook once a second, and when it is over
   */
  constructor(
    stage: HTMLVideoElement,
    private readonly onLook: () => void,
  ) {
    this.#glass.muted = true;
    const shown = (_now: number, frame: VideoFrameCallbackMetadata): void => {
      this.#shown(frame);
      stage.requestVideoFrameCallback(shown);
    };
    const seen = (_now: number, frame: VideoFrameCallbackMetadata): void => {
      if (frame.captureTime !== undefined) {
        this.#captured.push(frame.captureTime);
        if (this.#captured.length > CAPTURES) this.#captured.shift();
      }
      this.#glass.requestVideoFrameCallback(seen);
    };
    if ("requestVideoFrameCallback" in stage) {
      stage.requestVideoFrameCallback(shown);
      this.#glass.requestVideoFrameCallback(seen);
    }
  }

  get running(): boolean {
    return this.#line !== null;
  }

  /** When it measures, or measured last; the page's clock. */
  get now(): number {
    return this.running ? performance.now() : (this.seconds.at(-1)?.at ?? 0);
  }

  begin(line: Performer, camera: MediaStream): void {
    this.end();
    this.#line = line;
    this.#captured = [];
    this.#received = [];
    this.#glass.srcObject = camera;
    void this.#glass.play().catch(() => {});
    for (const delay of FIRST_PINGS_MS) {
      this.#timers.push(window.setTimeout(() => this.#ping(), delay));
    }
    this.#timers.push(window.setInterval(() => void this.#look(line), LOOK_MS));
  }

  end(): void {
    for (const timer of this.#timers) clearTimeout(timer); // intervals, too
    this.#timers = [];
    this.#line = null;
    this.#counters = null;
    this.#upload = null;
    this.#glass.srcObject = null;
    this.present = null;
    this.#matcher = new Matcher();
    this.clock.reset();
    this.onLook();
  }

  hear(message: ServerMessage): void {
    if (message.type === "pong") {
      this.clock.add(message, performance.now());
      return;
    }
    this.present = message.present ?? null;
    const offset = this.clock.offset(performance.now());
    if (offset !== null) {
      this.#received.push(message.captured_ms - offset.ms);
      if (this.#received.length > CAPTURES) this.#received.shift();
    }
    this.#sample(this.#matcher.message(message));
  }

  /** Of the last seconds; null where nothing could be measured. */
  summary(within = SUMMARY_MS): Summary | null {
    const since = this.now - within;
    const samples = this.samples.filter(({ at }) => at >= since);
    const [newest] = samples.slice(-1);
    if (!newest) return null;
    const totals = samples.map(({ total_ms }) => total_ms);
    const parts = new Map<string, number>();
    // In the order of the newest: the first pictures' way to the server is not known yet.
    for (const { name, ms } of samples.toReversed().flatMap((sample) => sample.parts)) {
      parts.set(name, (parts.get(name) ?? 0) + ms / samples.length);
    }
    return {
      p50: percentile(totals, 50) as number,
      p95: percentile(totals, 95) as number,
      worst: Math.max(...totals),
      pictures: samples.length,
      uncertainty_ms: newest.uncertainty_ms,
      from_camera: newest.from_camera,
      parts: [...parts].map(([name, ms]) => ({ name, ms })),
    };
  }

  #ping(): void {
    this.#line?.send({ type: "ping", t0: performance.now() });
  }

  #shown(frame: VideoFrameCallbackMetadata): void {
    if (frame.rtpTimestamp === undefined) return;
    this.#sample(
      this.#matcher.show({
        rtp_timestamp: frame.rtpTimestamp,
        received: frame.receiveTime ?? null,
        decoding_ms: frame.processingDuration === undefined ? null : frame.processingDuration * 1000,
        shown: frame.expectedDisplayTime,
      }),
    );
  }

  #sample(pair: ReturnType<Matcher["show"]>): void {
    const offset = this.clock.offset(performance.now());
    if (pair === null || offset === null) return;
    this.samples.push(measure(pair[0], pair[1], offset, this.#upload));
  }

  async #look(line: Performer): Promise<void> {
    this.#ping();
    const counters = read(await line.connection.getStats(), performance.now());
    if (this.#line !== line) return;
    if (this.#counters !== null) {
      const figures = between(this.#counters, counters);
      this.seconds.push({ at: counters.at, counters, figures });
    }
    this.#counters = counters;
    const offset = this.clock.offset(counters.at);
    if (offset !== null) {
      this.#upload =
        uploadTime(this.#captured, this.#received, offset.uncertainty_ms) ?? this.#upload;
    }
    const since = counters.at - WINDOW_MS;
    this.samples = this.samples.filter(({ at }) => at >= since);
    this.seconds = this.seconds.filter(({ at }) => at >= since);
    this.onLook();
  }
}
