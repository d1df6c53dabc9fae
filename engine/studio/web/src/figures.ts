/** What getStats tells, reduced to what a person wants to know. */

export interface Counters {
  at: number;
  framesDecoded: number;
  framesDropped: number;
  freezes: number;
  freezes_s: number;
  packetsReceived: number;
  packetsLost: number;
  bytesReceived: number;
  bytesSent: number;
  framesSent: number;
  jitter_ms: number | null;
  roundTrip_ms: number | null;
  sentLoss: number | null;
  encoder: string | null;
  encoderLimit: string | null;
  decoder: string | null;
  codec: string | null;
  size: string | null;
  sentSize: string | null;
}

/** Over the time between two readings. */
export interface Figures {
  fps: number;
  sentFps: number;
  received_kbps: number;
  sent_kbps: number;
  /** [0, 1] */
  loss: number;
  dropped: number;
  freezes: number;
}

/** Fewer pictures a second than this, for so many seconds, look halting. */
const HALTING_FPS = 12;
const HALTING_S = 8;
/** Those of an earlier show are older. */
export const HALTING_WITHIN_MS = 10_000;

/**
 * What holds a show back, in words; null while it flows.
 *
 * @param seconds one after the other, the newest last
 */
export function halting(seconds: Figures[]): string | null {
  const last = seconds.slice(-HALTING_S);
  if (last.length < HALTING_S || last.some(({ fps }) => fps >= HALTING_FPS)) return null;
  const mean = (key: "sentFps" | "loss"): number =>
    last.reduce((sum, figures) => sum + figures[key], 0) / last.length;
  if (mean("sentFps") < HALTING_FPS)
    return "Few pictures leave the browser: more light helps many cameras.";
  if (mean("loss") > 0.03) return "The network loses pictures: a cable, or a nearer router, helps.";
  return "The machine that draws is busy: close what else runs there.";
}

type Entry = Record<string, unknown> & { id: string; type: string };

/** @param now page's clock, milliseconds */
export function read(report: Iterable<[string, unknown]>, now: number): Counters {
  const entries = [...report].map(([, entry]) => entry as Entry);
  const find = (type: string, kind?: string): Entry | undefined =>
    entries.find((entry) => entry.type === type && (kind === undefined || entry.kind === kind));
  const inbound = find("inbound-rtp", "video");
  const outbound = find("outbound-rtp", "video");
  const remote = find("remote-inbound-rtp", "video");
  const pair = entries.find((entry) => entry.type === "candidate-pair" && entry.nominated === true);
  const codec = entries.find((entry) => entry.type === "codec" && entry.id === inbound?.codecId);
  const count = (entry: Entry | undefined, key: string): number => number(entry?.[key]) ?? 0;
  const ms = (seconds: number | null): number | null => (seconds === null ? null : seconds * 1000);
  return {
    at: now,
    framesDecoded: count(inbound, "framesDecoded"),
    framesDropped: count(inbound, "framesDropped"),
    freezes: count(inbound, "freezeCount"),
    freezes_s: count(inbound, "totalFreezesDuration"),
    packetsReceived: count(inbound, "packetsReceived"),
    packetsLost: Math.max(count(inbound, "packetsLost"), 0),
    bytesReceived: count(inbound, "bytesReceived"),
    bytesSent: count(outbound, "bytesSent"),
    framesSent: count(outbound, "framesSent"),
    jitter_ms: ms(number(inbound?.jitter)),
    roundTrip_ms: ms(number(pair?.currentRoundTripTime) ?? number(remote?.roundTripTime)),
    sentLoss: number(remote?.fractionLost),
    encoder: text(outbound?.encoderImplementation),
    encoderLimit: text(outbound?.qualityLimitationReason),
    decoder: text(inbound?.decoderImplementation),
    codec: text(codec?.mimeType)?.replace("video/", "") ?? null,
    size: size(inbound),
    sentSize: size(outbound),
  };
}

/** What happened between two readings of the same connection. */
export function between(before: Counters, after: Counters): Figures {
  const seconds = Math.max(after.at - before.at, 1) / 1000;
  const lost = Math.max(after.packetsLost - before.packetsLost, 0);
  const came = Math.max(after.packetsReceived - before.packetsReceived, 0);
  return {
    fps: (after.framesDecoded - before.framesDecoded) / seconds,
    sentFps: (after.framesSent - before.framesSent) / seconds,
    received_kbps: ((after.bytesReceived - before.bytesReceived) * 8) / 1000 / seconds,
    sent_kbps: ((after.bytesSent - before.bytesSent) * 8) / 1000 / seconds,
    loss: lost + came === 0 ? 0 : lost / (lost + came),
    dropped: after.framesDropped - before.framesDropped,
    freezes: after.freezes - before.freezes,
  };
}

function number(value: unknown): number | null {
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}

function text(value: unknown): string | null {
  return typeof value === "string" && value !== "" ? value : null;
}

function size(entry: Entry | undefined): string | null {
  const width = number(entry?.frameWidth);
  const height = number(entry?.frameHeight);
  return width === null || height === null ? null : `${width} × ${height}`;
}
