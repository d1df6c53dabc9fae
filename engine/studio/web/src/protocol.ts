/** What the page and the server say to each other; docs/studio.md tells it in words. */

export interface Character {
  /** By which it is asked for. */
  name: string;
  /** As people read it, where that differs. */
  title?: string;
  /** Address of a picture, transparent around the character. */
  thumbnail: string | null;
  licence: string | null;
  author: string | null;
  is_active: boolean;
}

/**
 * "soft", "transparent", "blur" (what is behind the performer, blurred), "#rrggbb", or "image:ID"
 * of a picture that the server was sent.
 */
export type Background = string;

export interface Settings {
  character: string | null;
  background: Background;
  mirror: boolean;
  /** 0 is quick, 1 is calm; or a method by its name. */
  smoothing: number | "auto" | "one-euro" | "savitzky-golay" | "none";
  layout: "character" | "side-by-side";
  show_pose: boolean;
}

export interface Config {
  iceServers: RTCIceServer[];
  /** Places for performers. */
  free: number;
  /** Settings that were asked for when the server was started: they go before what is remembered. */
  settled?: (keyof Settings)[];
}

/** Where the show goes besides the viewers: a streaming service, or the virtual camera. */
export interface Push {
  to: string;
  state: "waiting" | "connecting" | "live" | "closed";
  error: string | null;
}

/** The virtual camera of the server's machine. */
export type VirtualCamera = { on: false } | ({ on: true } & Push);

/** [start, end], milliseconds of the server's clock. */
export type Span = readonly [number, number];

/** Comes once for each picture that is encoded. */
export interface FrameMessage {
  type: "frame";
  /** Of the picture as it is sent: what the browser says of the picture that it shows. */
  rtp_timestamp: number;
  sequence: number;
  /** When the camera's picture reached the server, at the latest. */
  captured_ms: number;
  stages: Record<string, Span>;
  sent_ms: number;
  /** Whether a person is in the picture. */
  present?: boolean;
}

/** t0 is the page's clock, t1 (received) and t2 (sent) the server's; milliseconds. */
export interface PongMessage {
  type: "pong";
  t0: number;
  t1: number;
  t2: number;
}

export type ServerMessage = FrameMessage | PongMessage;

/** What becomes of a drawing, while it becomes a character. */
export interface EnrolEvent {
  stage: string;
  /** [0, 1] */
  share: number;
  /** What its maker should know of the drawing. */
  note?: string;
  /** Address of a picture of how far it is. */
  preview?: string;
  /** Whether it is then mended by and by: more events come. */
  done?: { character: string; mended: boolean };
  /** Name of the character that is mended. */
  mending?: string;
  /** Nothing more comes. */
  over?: boolean;
  error?: string;
}

const NUMBERS_OF_PONG = ["t0", "t1", "t2"] as const;
const NUMBERS_OF_FRAME = ["rtp_timestamp", "sequence", "captured_ms", "sent_ms"] as const;

/** A message of the data channel, or null for one that this page does not know. */
export function parseMessage(data: unknown): ServerMessage | null {
  if (typeof data !== "string") return null;
  let message: unknown;
  try {
    message = JSON.parse(data);
  } catch {
    return null;
  }
  if (hasNumbers(message, NUMBERS_OF_PONG) && message.type === "pong") {
    return message as unknown as PongMessage;
  }
  if (hasNumbers(message, NUMBERS_OF_FRAME) && message.type === "frame") {
    const stages = Object.entries((message.stages as object | undefined) ?? {}).filter(
      ([, span]) => Array.isArray(span) && span.length === 2 && span.every(Number.isFinite),
    );
    return { ...message, stages: Object.fromEntries(stages) } as unknown as FrameMessage;
  }
  return null;
}

function hasNumbers(value: unknown, keys: readonly string[]): value is Record<string, unknown> {
  return (
    typeof value === "object" &&
    value !== null &&
    keys.every((key) => Number.isFinite((value as Record<string, unknown>)[key]))
  );
}
