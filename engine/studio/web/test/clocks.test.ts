import { describe, expect, it } from "vitest";
import { ServerClock } from "../src/clocks";

/** An exchange with a server whose clock is ahead by `offset`, over a lopsided network. */
function exchange(t0: number, offset: number, there: number, back: number, work = 1) {
  const t1 = t0 + there + offset;
  return { pong: { type: "pong", t0, t1, t2: t1 + work } as const, t3: t0 + there + work + back };
}

describe("ServerClock", () => {
  it("knows nothing at first", () => {
    expect(new ServerClock().offset(0)).toBeNull();
  });

  it("never claims more than it knows", () => {
    let seed = 7;
    const random = () => (seed = (seed * 16807) % 2147483647) / 2147483647;
    for (let trial = 0; trial < 200; trial++) {
      const clock = new ServerClock();
      const offset = (random() - 0.5) * 1e6;
      for (let i = 0; i < 10; i++) {
        const { pong, t3 } = exchange(i * 1000, offset, random() * 80, random() * 80);
        clock.add(pong, t3);
        const found = clock.offset(t3);
        expect(Math.abs((found?.ms ?? NaN) - offset)).toBeLessThanOrEqual((found?.uncertainty_ms ?? NaN) + 1e-6);
      }
    }
  });

  it("is narrowed by both the quickest way there and the quickest way back", () => {
    const clock = new ServerClock();
    for (const { pong, t3 } of [exchange(0, 500, 1, 60), exchange(100, 500, 60, 1)]) clock.add(pong, t3);
    expect(clock.offset(161)?.uncertainty_ms).toBeLessThan(1.1);
    expect(clock.roundTrip).toBeCloseTo(61);
  });

  it("becomes less certain as time goes by", () => {
    const clock = new ServerClock();
    const { pong, t3 } = exchange(0, 500, 1, 1);
    clock.add(pong, t3);
    expect(clock.offset(10_000)?.uncertainty_ms).toBeCloseTo(2, 1);
  });

  it("believes the newest where the server's clock was set", () => {
    const clock = new ServerClock();
    for (const { pong, t3 } of [exchange(0, 500, 1, 1), exchange(100, 9000, 1, 1)]) clock.add(pong, t3);
    expect(clock.offset(110)?.ms).toBeCloseTo(9000, 0);
  });

  it("passes over exchanges that cannot be", () => {
    const clock = new ServerClock();
    clock.add({ type: "pong", t0: 10, t1: 5, t2: 4 }, 12);
    clock.add({ type: "pong", t0: 10, t1: 5, t2: 6 }, 9);
    expect(clock.offset(12)).toBeNull();
  });
});
