/** How the performer wants the show: remembered here, and told to the server while one is on. */

import { type Api, Refused, Unreachable } from "./api";
import { recall, remember } from "./memory";
import type { Settings } from "./protocol";

type Key = keyof Settings;

/** What shows the camera or the skeleton is never remembered: it is chosen anew each time. */
const REMEMBERED: readonly Key[] = ["character", "background", "mirror", "smoothing"];

/** Where the page knows better than the server what to begin with. */
const OWN: readonly Key[] = ["mirror", "layout", "show_pose"];

/** Between two requests: a slider that is dragged has many wishes. */
const PAUSE_MS = 100;

/** Until a server that has not answered is told again. */
const AGAIN_MS = 1000;

const DEFAULTS: Settings = {
  character: null,
  background: "soft",
  mirror: true, // as in a mirror: what people expect of a camera that looks back
  smoothing: "auto",
  layout: "character",
  show_pose: false,
};

/** Where a slider from quick to calm stands for a way to smooth. */
export function calmness(smoothing: Settings["smoothing"]): number {
  if (typeof smoothing === "number") return smoothing;
  return { none: 0, auto: 0.5, "one-euro": 0.5, "savitzky-golay": 1 }[smoothing];
}

export class Wishes {
  readonly now: Settings = { ...DEFAULTS };
  /** What somebody has chosen in this browser, before or now; the rest is the server's to say. */
  #chosen = new Set<Key>();
  /** Of these, what was chosen since the page was loaded. */
  #fresh = new Set<Key>();
  #session: string | null = null;
  #waiting: Partial<Settings> = {};
  #busy = false;

  /**
   * @param onChange after each change, from here or from the server
   * @param onRefusal told in words why the server did not do it
   */
  constructor(
    private readonly api: Api,
    private readonly onChange: () => void,
    private readonly onRefusal: (why: string) => void,
  ) {
    const remembered = recall<Partial<Settings>>("wishes", {});
    Object.assign(this.now, remembered);
    this.#chosen = new Set(Object.keys(remembered) as Key[]);
  }

  change(change: Partial<Settings>): void {
    this.#choose(change);
    this.onChange();
    if (this.#session !== null) {
      Object.assign(this.#waiting, change);
      void this.#push();
    }
  }

  /** Show neither camera nor skeleton any more. */
  hide(): void {
    for (const key of ["layout", "show_pose"] as const) this.#fresh.delete(key);
    Object.assign(this.now, { layout: DEFAULTS.layout, show_pose: DEFAULTS.show_pose });
  }

  /**
   * A session has begun: it hears what is wanted.
   * @param settled see `Config`
   */
  begin(session: string, settled: readonly Key[]): void {
    this.#session = session;
    const wanted = (Object.keys(DEFAULTS) as Key[]).filter((key) => {
      if (this.#fresh.has(key)) return true;
      return !settled.includes(key) && (this.#chosen.has(key) || OWN.includes(key));
    });
    this.#waiting = Object.fromEntries(wanted.map((key) => [key, this.now[key]]));
    void (wanted.length > 0 ? this.#push() : this.#ask(session));
  }

  /** There is no session any more. */
  end(): void {
    this.#session = null;
    this.#waiting = {};
  }

  #choose(change: Partial<Settings>): void {
    Object.assign(this.now, change);
    for (const key of Object.keys(change) as Key[]) {
      this.#chosen.add(key);
      this.#fresh.add(key);
    }
    this.#save();
  }

  async #ask(session: string): Promise<void> {
    try {
      this.#hear(session, await this.api.settings(session));
    } catch (error) {
      this.onRefusal((error as Error).message);
    }
  }

  /** One request at a time; what changes meanwhile goes with the next. */
  async #push(): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    try {
      while (this.#session !== null && Object.keys(this.#waiting).length > 0) {
        const [session, change] = [this.#session, this.#waiting];
        this.#waiting = {};
        await sleep(await this.#tell(session, change));
      }
    } finally {
      this.#busy = false;
    }
  }

  /** How long to wait until the next is told, ms. */
  async #tell(session: string, change: Partial<Settings>): Promise<number> {
    if (this.#session !== session) return 0;
    try {
      this.#hear(session, await this.api.change(session, change));
    } catch (error) {
      if (this.#session !== session) return 0; // the next one was told all
      const keys = Object.keys(change) as Key[];
      if (error instanceof Unreachable) {
        this.#waiting = { ...change, ...this.#waiting };
        this.onRefusal(error.message);
        return AGAIN_MS;
      }
      if (error instanceof Refused && error.status === 400 && keys.length > 1) {
        // One of them cannot be, such as a picture that is gone: the others still can.
        for (const key of keys) await this.#tell(session, { [key]: change[key] });
        return PAUSE_MS;
      }
      this.onRefusal((error as Error).message);
      if (error instanceof Refused && error.status === 404) return PAUSE_MS; // there will be another
      await this.#ask(session); // what is shown is what the server has
      this.#save();
    }
    return PAUSE_MS;
  }

  /** The server has the last word, but for what waits to be said to it. */
  #hear(session: string, answer: Settings): void {
    if (this.#session !== session) return; // a show that is over must not show the camera in the next
    Object.assign(this.now, answer, this.#waiting);
    this.onChange();
  }

  #save(): void {
    const keys = REMEMBERED.filter((key) => this.#chosen.has(key));
    const kept = Object.fromEntries(keys.map((key) => [key, this.now[key]]));
    if (kept.background === "blur") delete kept.background; // it shows where the performer is
    remember("wishes", kept);
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
