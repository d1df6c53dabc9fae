/** From the camera to the screen: what each shown picture took, and where the time went. */

import type { Offset } from "./clocks";
import type { FrameMessage } from "./protocol";

/** When a picture was shown, by requestVideoFrameCallback; milliseconds of the page's clock. */
export interface ShownFrame {
  rtp_timestamp: number;
  /** When the last of its packets came. */
  received: number | null;
  /** From there to a picture that can be drawn. */
  decoding_ms: number | null;
  shown: number;
}

/** A part of the way; the parts of a picture follow each other without gap or overlap. */
export interface Part {
  name: string;
  ms: number;
}

export interface Sample {
  /** Page's clock. */
  at: number;
  total_ms: number;
  uncertainty_ms: number;
  /** Whether the camera's own time is known; if not, the way begins at the server: a lower bound. */
  from_camera: boolean;
  parts: Part[];
}

const PENDING = 120;

/** Brings together what the server says of a picture and when the browser showed it. */
export class Matcher {
  #sent = new Map<number, FrameMessage>();
  #shown = new Map<number, ShownFrame>();

  /** The pair that a message completes, or null: messages and pictures come in any order. */
  message(frame: FrameMessage): [FrameMessage, ShownFrame] | null {
    return this.#join(frame.rtp_timestamp, frame, null);
  }

  /** The pair that a shown picture completes, or null. */
  show(shown: ShownFrame): [FrameMessage, ShownFrame] | null {
    return this.#join(shown.rtp_timestamp, null, shown);
  }

  #join(
    key: number,
    newFrame: FrameMessage | null,
    newShown: ShownFrame | null,
  ): [FrameMessage, ShownFrame] | null {
    const frame = newFrame ?? this.#sent.get(key);
    const shown = newShown ?? this.#shown.get(key);
    if (frame && shown) {
      this.#sent.delete(key);
      this.#shown.delete(key);
      return [frame, shown];
    }
    if (newFrame) keep(this.#sent, key, newFrame);
    if (newShown) keep(this.#shown, key, newShown);
    return null;
  }
}

function keep<T>(map: Map<number, T>, key: number, value: T): void {
  map.set(key, value);
  if (map.size > PENDING) map.delete(map.keys().next().value as number);
}

/**
 * The way of one picture, in parts that tile it.
 * @param offset of the server's clock
 * @param upload_ms from the camera to the server's receipt; null where it is not known
 */
export function measure(
  frame: FrameMessage,
  shown: ShownFrame,
  offset: Offset,
  upload_ms: number | null,
): Sample {
  const local = (server_ms: number): number => server_ms - offset.ms;
  const parts: Part[] = [];
  const begin = local(frame.captured_ms) - (upload_ms ?? 0);
  let cursor = begin;
  const until = (name: string, boundary: number): void => {
    // What clocks leave uncertain is moved between neighbours: the parts add up to the whole.
    const end = Math.min(Math.max(boundary, cursor), Math.max(shown.shown, begin));
    const known = parts.find((part) => part.name === name);
    if (known) known.ms += end - cursor;
    else parts.push({ name, ms: end - cursor });
    cursor = end;
  };

  if (upload_ms !== null) until("upload", local(frame.captured_ms));
  const stages = Object.entries(frame.stages).sort(([, one], [, two]) => one[0] - two[0]);
  for (const [name, [start, end]] of stages) {
    until("waiting", local(start));
    until(name, local(end));
  }
  until("waiting", local(frame.sent_ms));
  if (shown.received !== null) until("download", shown.received);
  if (shown.received !== null && shown.decoding_ms !== null) {
    until("decoding", shown.received + shown.decoding_ms);
  }
  until(shown.received === null ? "display and download" : "display", shown.shown);
  return {
    at: shown.shown,
    total_ms: shown.shown - begin,
    uncertainty_ms: offset.uncertainty_ms,
    from_camera: upload_ms !== null,
    parts,
  };
}

/** The camera's own times are matched against this many of the server's. */
const RHYTHM = 45;
const LONGEST_UPLOAD_MS = 400;
/** The right place must fit so much better than the next best. */
const CLEARLY = 0.6;

/**
 * How long the camera's pictures take to the server: where the rhythm of their capture fits the
 * rhythm of what the server received. Cameras tremble by a millisecond or more, which tells one
 * picture from its neighbours.
 *
 * @param captured times of capture, page's clock, rising
 * @param received times of receipt of some of them, moved to the page's clock, rising
 * @param slack_ms uncertainty of that move
 * @returns milliseconds, or null where the rhythm is too even to tell
 */
export function uploadTime(
  captured: readonly number[],
  received: readonly number[],
  slack_ms: number,
): number | null {
  const heard = received.slice(-RHYTHM);
  const last = heard.at(-1);
  if (last === undefined || heard.length < RHYTHM || captured.length < RHYTHM) return null;
  const fits: { ms: number; misfit: number }[] = [];
  for (const time of captured) {
    const ms = last - time;
    if (ms < -slack_ms || ms > LONGEST_UPLOAD_MS) continue;
    const rests = heard.map((at) => at - ms - nearest(captured, at - ms));
    const middle = median(rests);
    fits.push({ ms: ms + middle, misfit: mean(rests.map((rest) => Math.abs(rest - middle))) });
  }
  fits.sort((one, two) => one.misfit - two.misfit);
  const [best, next] = fits;
  if (!best || (next && best.misfit > CLEARLY * next.misfit)) return null;
  return Math.max(best.ms, 0);
}

function nearest(sorted: readonly number[], value: number): number {
  let low = 0;
  let high = sorted.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle] as number) < value) low = middle + 1;
    else high = middle;
  }
  const after = sorted[low] as number;
  const before = sorted[Math.max(low - 1, 0)] as number;
  return value - before < after - value ? before : after;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function median(values: readonly number[]): number {
  return percentile(values, 50) as number;
}

/** The nearest-rank percentile; null of nothing. */
export function percentile(values: readonly number[], percent: number): number | null {
  if (values.length === 0) return null;
  const sorted = values.toSorted((one, two) => one - two);
  const rank = Math.max(Math.ceil((percent / 100) * sorted.length), 1);
  return sorted[rank - 1] as number;
}
