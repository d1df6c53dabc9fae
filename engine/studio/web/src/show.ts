/** The show: camera out, character back, and called again whenever the line is cut. */

import { type Api, Refused, Unreachable } from "./api";
import { DeviceError, type Devices, type DeviceTrouble } from "./devices";
import { isOver, perform, type Performer, sessionOf } from "./line";
import type { ServerMessage, Settings } from "./protocol";

export type Trouble = DeviceTrouble | "token" | "wrong-token" | "failed";

/** Why the character does not move for the moment. */
export type Cut = "server" | "network" | "full" | "camera";

export type State =
  | { name: "idle" }
  | { name: "opening"; step: "server" | "camera" | "character" }
  | { name: "live" }
  /** `next`: when it is tried again, page's clock; null while it is being tried. */
  | { name: "cut"; why: Cut; next: number | null }
  | { name: "trouble"; trouble: Trouble; detail: string };

export interface Watcher {
  onState(state: State): void;
  /** A connection begins, or has another camera; the character is in `line.received`. */
  onLine(line: Performer, camera: MediaStream): void;
  /** A session begins; see `Config.settled`. */
  onSession(session: string, settled: readonly (keyof Settings)[]): void;
  onMessage(message: ServerMessage): void;
  /** The microphone is as the devices' settings say, or, with an error, cannot be had. */
  onMicrophone(error: unknown): void;
  /** There is no connection any more. */
  onEnd(): void;
}

/** Seconds until the next attempt; the last one for ever. */
const BACKOFF_S = [0.5, 1, 2, 4, 8];
const FIRST_PICTURE_MS = 12_000;
/** A picture is missed after this long, and the server is asked whether it is there. */
const STALL_MS = 3000;
/** From then on it is the camera that is silent, if it has given none for this long. */
const SILENT_MS = 2000;
/** Then ICE may still mend the line by itself, for so long in all. */
const MENDING_MS = 8000;
const LOOK_MS = 500;

/** The line is of no use any more. */
class Broken extends Error {
  constructor(readonly why: Cut) {
    super(why);
  }
}

export class Show {
  state: State = { name: "idle" };
  line: Performer | null = null;
  camera: MediaStream | null = null;
  #microphone: MediaStreamTrack | null = null;
  /** Counted up with every wish for a device: what is opened for an older wish is closed again. */
  #wishes = { camera: 0, microphone: 0 };
  #stop = new AbortController();
  #hurry: (() => void) | null = null;

  constructor(
    private readonly api: Api,
    private readonly devices: Devices,
    private readonly watcher: Watcher,
  ) {}

  get session(): string | null {
    return this.line === null ? null : sessionOf(this.line.location);
  }

  get running(): boolean {
    return ["opening", "live", "cut"].includes(this.state.name);
  }

  /** Begin, and go on until `stop`, or until something is wrong that only a person can mend. */
  async start(): Promise<void> {
    if (this.running) return;
    const { signal } = (this.#stop = new AbortController());
    for (let attempt = 0; ; attempt++) {
      try {
        await this.#perform(signal, attempt === 0, () => (attempt = 0));
      } catch (error) {
        if (signal.aborted) return; // who stopped it has let go of all, and the next may be on
        this.#drop();
        const why = cutOf(error);
        if (why === null) {
          this.#release();
          this.#set(troubleOf(error, this.api.token !== null));
          return;
        }
        if (why === "camera") this.#release(); // it is opened anew
        const seconds = BACKOFF_S[Math.min(attempt, BACKOFF_S.length - 1)] as number;
        await this.#pause(why, seconds, signal);
      }
      if (signal.aborted) return;
    }
  }

  stop(): void {
    this.#stop.abort();
    this.#drop();
    this.#release();
    this.#set({ name: "idle" });
  }

  /** Do not wait for the next attempt. */
  hurry(): void {
    this.#hurry?.();
  }

  /** The first picture has been shown. */
  seen(): void {
    if (this.state.name === "opening" || this.state.name === "cut") this.#set({ name: "live" });
  }

  /** Another camera, in the middle of the show. */
  async changeCamera(): Promise<void> {
    const wish = ++this.#wishes.camera;
    if (this.camera === null) return; // one that is being opened is closed again for this one
    const camera = await this.devices.openCamera();
    if (wish !== this.#wishes.camera) return close(camera);
    close(this.camera);
    this.#take(camera);
    const [track] = camera.getVideoTracks();
    if (track) await this.line?.camera.replaceTrack(track);
    if (this.line !== null) this.watcher.onLine(this.line, camera);
  }

  /** Open or close the microphone, as the devices' settings say; the show goes on without it. */
  async changeMicrophone(): Promise<void> {
    const wish = ++this.#wishes.microphone;
    this.#microphone?.stop();
    this.#microphone = null;
    let error: unknown = null;
    if (this.running && this.devices.sound) {
      try {
        const track = await this.devices.openMicrophone();
        // Browsers may ask first: it may be off again, or the show over, before they are answered.
        if (wish === this.#wishes.microphone) this.#hold(track);
        else track.stop();
      } catch (why) {
        error = why;
      }
    }
    if (wish !== this.#wishes.microphone) return;
    await this.line?.microphone.replaceTrack(this.#microphone);
    this.watcher.onMicrophone(error);
  }

  async #perform(signal: AbortSignal, first: boolean, onLive: () => void): Promise<never> {
    if (first) this.#set({ name: "opening", step: "server" });
    const { iceServers, free, settled } = await this.api.config();
    signal.throwIfAborted();
    if (free <= 0) throw new Broken("full");
    const fresh = this.camera === null;
    const camera = await this.#openCamera(signal);
    signal.throwIfAborted();
    const [track] = camera.getVideoTracks();
    if (!track) throw new DeviceError("none");
    if (fresh) {
      void this.changeMicrophone(); // nothing waits for it: it is sent when it is there
      this.#set({ name: "opening", step: "character" });
    }
    const line = await perform(this.api, track, this.#microphone, {
      iceServers,
      signal,
      onMessage: (message) => this.watcher.onMessage(message),
    });
    if (signal.aborted) line.close();
    signal.throwIfAborted();
    this.line = line;
    await this.#sendNewest(line, track);
    signal.throwIfAborted();
    this.watcher.onLine(line, this.camera ?? camera);
    this.watcher.onSession(sessionOf(line.location), settled ?? []);
    return this.#watch(line, signal, onLive);
  }

  /** Camera and microphone may be others than those that the line was begun with. */
  async #sendNewest(line: Performer, begunWith: MediaStreamTrack): Promise<void> {
    await line.camera.replaceTrack(this.camera?.getVideoTracks()[0] ?? begunWith);
    await line.microphone.replaceTrack(this.#microphone);
  }

  async #openCamera(signal: AbortSignal): Promise<MediaStream> {
    if (this.camera !== null) return this.camera;
    this.#set({ name: "opening", step: "camera" });
    for (;;) {
      const wish = ++this.#wishes.camera;
      try {
        const camera = await this.devices.openCamera();
        if (wish === this.#wishes.camera) return this.#take(camera);
        close(camera);
      } catch (error) {
        if (wish === this.#wishes.camera) throw error;
      }
      signal.throwIfAborted(); // else another camera was chosen meanwhile
    }
  }

  /** Look at the line until it is broken, or nobody wants it any more. */
  async #watch(line: Performer, signal: AbortSignal, onLive: () => void): Promise<never> {
    const begin = performance.now();
    let [decoded, given] = [0, 0];
    let [moved, gave] = [begin, begin];
    for (;;) {
      await sleep(LOOK_MS, signal);
      signal.throwIfAborted();
      const now = performance.now();
      const counts = await pictures(line.connection);
      if (counts.given === null || counts.given !== given) [given, gave] = [counts.given ?? 0, now];
      if (counts.decoded > decoded) {
        [decoded, moved] = [counts.decoded, now];
        if (this.state.name === "live") onLive();
        if (this.state.name === "cut") this.#set({ name: "live" });
      }
      const why = now - gave < SILENT_MS ? "network" : "camera";
      if (isOver(line.connection)) throw new Broken((await this.#over(line)) ? "server" : "network");
      if (decoded === 0 && now - begin > FIRST_PICTURE_MS) throw new Broken(why);
      if (decoded === 0 || now - moved < STALL_MS) continue;
      if (this.state.name === "live") this.#set({ name: "cut", why, next: null });
      const away = !(await this.api.answers()) || (await this.#over(line));
      if ((await pictures(line.connection)).decoded > decoded) continue; // they were late, no more
      if (away) throw new Broken("server");
      if (performance.now() - moved > MENDING_MS) throw new Broken(why);
    }
  }

  /** Whether the server has forgotten the session: it was begun anew, or has ended it. */
  async #over(line: Performer): Promise<boolean> {
    try {
      await this.api.report(line.location);
      return false;
    } catch (error) {
      if (error instanceof Refused) return error.status === 404;
      return true;
    }
  }

  async #pause(why: Cut, seconds: number, signal: AbortSignal): Promise<void> {
    this.#set({ name: "cut", why, next: performance.now() + seconds * 1000 });
    const hurry = new AbortController();
    this.#hurry = () => hurry.abort();
    await sleep(seconds * 1000, AbortSignal.any([signal, hurry.signal]));
    this.#hurry = null;
    if (!signal.aborted) this.#set({ name: "cut", why, next: null });
  }

  #take(camera: MediaStream): MediaStream {
    this.camera = camera;
    for (const track of camera.getVideoTracks()) {
      track.addEventListener("ended", () => {
        if (this.camera !== camera) return;
        this.#stop.abort();
        this.#drop();
        this.#release();
        this.#set({ name: "trouble", trouble: "unplugged", detail: "" });
      });
    }
    return camera;
  }

  #hold(microphone: MediaStreamTrack): void {
    this.#microphone = microphone;
    microphone.addEventListener("ended", () => {
      if (this.#microphone !== microphone) return;
      this.#microphone = null;
      void this.line?.microphone.replaceTrack(null);
      this.watcher.onMicrophone(new DeviceError("unplugged"));
    });
  }

  #drop(): void {
    if (this.line === null) return;
    this.line.close();
    this.line = null;
    this.watcher.onEnd();
  }

  #release(): void {
    this.#wishes.camera++;
    this.#wishes.microphone++;
    close(this.camera);
    this.#microphone?.stop();
    this.camera = null;
    this.#microphone = null;
  }

  #set(state: State): void {
    this.state = state;
    this.watcher.onState(state);
  }
}

function close(camera: MediaStream | null): void {
  for (const track of camera?.getTracks() ?? []) track.stop();
}

function cutOf(error: unknown): Cut | null {
  if (error instanceof Broken) return error.why;
  if (error instanceof Unreachable) return "server";
  if (error instanceof Refused && error.status === 503) return "full";
  if (error instanceof Refused && error.status === 429) return "server"; // asked too often
  return null;
}

function troubleOf(error: unknown, hasToken: boolean): State {
  if (error instanceof DeviceError) {
    return { name: "trouble", trouble: error.trouble, detail: "" };
  }
  const detail = error instanceof Error ? error.message : String(error);
  if (error instanceof Refused && error.status === 401) {
    return { name: "trouble", trouble: hasToken ? "wrong-token" : "token", detail };
  }
  return { name: "trouble", trouble: "failed", detail };
}

/** How many pictures have been decoded, and given by the camera; null where the browser does not tell. */
async function pictures(
  connection: RTCPeerConnection,
): Promise<{ decoded: number; given: number | null }> {
  const counts = { decoded: 0, given: null as number | null };
  for (const entry of (await connection.getStats()).values()) {
    if (entry.kind !== "video") continue;
    if (entry.type === "inbound-rtp") counts.decoded = (entry.framesDecoded as number | undefined) ?? 0;
    if (entry.type === "media-source") counts.given = (entry.frames as number | undefined) ?? null;
  }
  return counts;
}

/** Ends early, without an error, when the signal comes. */
function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end); // a show has thousands of sleeps
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener("abort", end);
  });
}
