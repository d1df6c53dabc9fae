/** How the performer wants the show: remembered here, and told to the server while one is on. */

import { type Api, Refused } from "./api";
import { recall, remember } from "./memory";
import type { Settings } from "./protocol";

/** What shows the camera or the skeleton is never remembered: it is chosen anew each time. */
const REMEMBERED = ["character", "background", "mirror", "smoothing"] as const;

/** Between two requests: a slider that is dragged has many wishes. */
const PAUSE_MS = 100;

const DEFAULTS: Settings = {
  character: null,
  background: "soft",
  mirror: true, // as in a mirror: what people expect of a camera that looks back
  smoothing: 0.5,
  layout: "character",
  show_pose: false,
};

export class Wishes {
  readonly now: Settings = { ...DEFAULTS, ...recall<Partial<Settings>>("wishes", {}) };
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
  ) {}

  change(change: Partial<Settings>): void {
    Object.assign(this.now, change);
    this.#save();
    this.onChange();
    if (this.#session !== null) {
      Object.assign(this.#waiting, change);
      void this.#push();
    }
  }

  /** Want a character whom only the next session will know. */
  adopt(character: string): void {
    this.now.character = character;
    this.#save();
  }

  /** A session has begun: it hears all that is wanted. Null: there is none any more. */
  attach(session: string | null): void {
    this.#session = session;
    this.#waiting = {};
    if (session === null) return;
    const { character, ...rest } = this.now;
    this.#waiting = character === null ? rest : { ...rest, character };
    void this.#push();
  }

  /** One request at a time; what changes meanwhile goes with the next. */
  async #push(): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    try {
      while (this.#session !== null && Object.keys(this.#waiting).length > 0) {
        const [session, change] = [this.#session, this.#waiting];
        this.#waiting = {};
        try {
          const answer = await this.api.change(session, change);
          if (this.#session === session) this.#hear(answer);
          await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
        } catch (error) {
          const keys = Object.keys(change) as (keyof Settings)[];
          if (error instanceof Refused && error.status === 400 && keys.length > 1) {
            // One of them cannot be, such as a picture that is gone: the others still can.
            for (const key of keys) await this.#pushOne(session, { [key]: change[key] });
          } else {
            this.onRefusal((error as Error).message);
          }
        }
      }
    } finally {
      this.#busy = false;
    }
  }

  async #pushOne(session: string, change: Partial<Settings>): Promise<void> {
    try {
      this.#hear(await this.api.change(session, change));
    } catch (error) {
      this.onRefusal((error as Error).message);
    }
  }

  /** The server has the last word, but for what waits to be said to it. */
  #hear(answer: Settings): void {
    Object.assign(this.now, answer, this.#waiting);
    this.#save();
    this.onChange();
  }

  #save(): void {
    const kept = Object.fromEntries(REMEMBERED.map((key) => [key, this.now[key]]));
    if (kept.background === "blur") delete kept.background; // it shows where the performer is
    remember("wishes", kept);
  }
}
