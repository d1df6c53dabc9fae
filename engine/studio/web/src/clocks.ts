/** The server's clock, as seen from the page's: an interval that the truth cannot be outside of. */

import type { PongMessage } from "./protocol";

export interface Offset {
  /** What must be taken from the server's time to have the page's; milliseconds. */
  ms: number;
  /** The truth is no further away than this. */
  uncertainty_ms: number;
}

/** Two quartz clocks part by less than this: 100 millionths. */
const DRIFT = 100e-6;
const REMEMBERED = 64;

/**
 * Four stamps bound the offset from both sides, however lopsided the network is: the request was
 * not received before it was sent (offset <= t1 - t0), nor the answer (offset >= t2 - t3). Each
 * exchange gives an interval, which drift widens with age; the truth is in all of them.
 */
export class ServerClock {
  #bounds: { low: number; high: number; at: number }[] = [];

  /**
   * Take an exchange into account.
   * @param pong what the server answered
   * @param t3 the page's time when the answer came
   */
  add({ t0, t1, t2 }: PongMessage, t3: number): void {
    if (t3 < t0 || t2 < t1) return;
    this.#bounds.push({ low: t2 - t3, high: t1 - t0, at: t3 });
    if (this.#bounds.length > REMEMBERED) this.#bounds.shift();
  }

  /** The offset as known at a time of the page's clock; null before the first exchange. */
  offset(now: number): Offset | null {
    let low = -Infinity;
    let high = Infinity;
    // From the newest: an older interval that does not meet them is of a clock that was set since.
    for (const bound of this.#bounds.toReversed()) {
      const slack = DRIFT * Math.max(now - bound.at, 0);
      const lower = Math.max(low, bound.low - slack);
      const upper = Math.min(high, bound.high + slack);
      if (lower > upper) break;
      [low, high] = [lower, upper];
    }
    if (!Number.isFinite(low)) return null;
    return { ms: (low + high) / 2, uncertainty_ms: (high - low) / 2 };
  }

  /** The shortest way there and back, less what the server took; milliseconds. */
  get roundTrip(): number | null {
    const trips = this.#bounds.map(({ low, high }) => high - low);
    return trips.length === 0 ? null : Math.min(...trips);
  }

  /** Forget everything: another server, or the same one begun anew. */
  reset(): void {
    this.#bounds = [];
  }
}
