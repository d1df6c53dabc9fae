/** One WebRTC connection to the studio, performer's or viewer's. */

import type { Api } from "./api";
import { parseMessage, type ServerMessage } from "./protocol";

/** Longer than this machine's own addresses take to be gathered. */
const GATHERING_MS = 1000;
const CHANNEL = "ayatsuri";

export interface Line {
  connection: RTCPeerConnection;
  /** Where the session, or the viewing, is on the server. */
  location: string;
  received: MediaStream;
  send(message: { type: "ping"; t0: number }): void;
  close(): void;
}

export interface Performer extends Line {
  camera: RTCRtpSender;
  microphone: RTCRtpSender;
}

export interface LineOptions {
  iceServers: RTCIceServer[];
  signal: AbortSignal;
  onMessage?: (message: ServerMessage) => void;
}

/** Send the camera, receive the character, on one connection. */
export async function perform(
  api: Api,
  camera: MediaStreamTrack,
  microphone: MediaStreamTrack | null,
  options: LineOptions,
): Promise<Performer> {
  const { connection, received } = prepare(options.iceServers);
  const video = connection.addTransceiver(camera, { direction: "sendrecv" });
  // Offered with or without a microphone, so that one can come and go without a new offer.
  const audio = connection.addTransceiver(microphone ?? "audio", { direction: "sendrecv" });
  // A message that is late is of no use: the next one is better.
  const channel = connection.createDataChannel(CHANNEL, { ordered: true, maxRetransmits: 0 });
  channel.addEventListener("message", ({ data }) => {
    const message = parseMessage(data);
    if (message !== null) options.onMessage?.(message);
  });
  const location = await negotiate(api, connection, options.signal, (offer) => api.perform(offer));
  return {
    connection,
    location,
    received,
    camera: video.sender,
    microphone: audio.sender,
    send(message) {
      if (channel.readyState === "open") channel.send(JSON.stringify(message));
    },
    close: () => close(api, connection, location),
  };
}

/** Receive a session's pictures; `query` asks for how they come. */
export async function watch(
  api: Api,
  session: string,
  query: string,
  options: LineOptions,
): Promise<Line> {
  const { connection, received } = prepare(options.iceServers);
  connection.addTransceiver("video", { direction: "recvonly" });
  connection.addTransceiver("audio", { direction: "recvonly" });
  const location = await negotiate(api, connection, options.signal, (offer) =>
    api.watch(session, offer, query),
  );
  return { connection, location, received, send: () => {}, close: () => close(api, connection, location) };
}

/** Whether a connection has failed, or the other side has said farewell. */
export function isOver(connection: RTCPeerConnection): boolean {
  const transport = connection.getReceivers()[0]?.transport?.state;
  return connection.connectionState === "failed" || transport === "closed" || transport === "failed";
}

/** The name of the session that a Location points to. */
export function sessionOf(location: string): string {
  return location.split("/").at(-1) ?? "";
}

function prepare(iceServers: RTCIceServer[]): {
  connection: RTCPeerConnection;
  received: MediaStream;
} {
  const connection = new RTCPeerConnection({ iceServers });
  const received = new MediaStream();
  connection.addEventListener("track", ({ track, receiver }) => {
    // The server holds sound back until its pictures are due: nothing needs to wait here.
    if ("jitterBufferTarget" in receiver && track.kind === "video") receiver.jitterBufferTarget = 0;
    received.addTrack(track);
  });
  return { connection, received };
}

async function negotiate(
  api: Api,
  connection: RTCPeerConnection,
  signal: AbortSignal,
  post: (offer: string) => Promise<{ answer: string; location: string }>,
): Promise<string> {
  let begun: string | null = null;
  try {
    await connection.setLocalDescription();
    await gathered(connection);
    const { answer, location } = await post(connection.localDescription?.sdp ?? "");
    begun = location;
    signal.throwIfAborted();
    await connection.setRemoteDescription({ type: "answer", sdp: answer });
    return location;
  } catch (error) {
    connection.close();
    if (begun !== null) api.leave(begun); // it would keep its place until it is taken for silent
    throw error;
  }
}

function close(api: Api, connection: RTCPeerConnection, location: string): void {
  connection.close();
  api.leave(location);
}

function gathered(connection: RTCPeerConnection): Promise<void> {
  if (connection.iceGatheringState === "complete") return Promise.resolve();
  return new Promise((resolve) => {
    setTimeout(resolve, GATHERING_MS);
    connection.addEventListener("icegatheringstatechange", () => {
      if (connection.iceGatheringState === "complete") resolve();
    });
  });
}
