import { describe, expect, it } from "vitest";
import { Matcher, measure, percentile, uploadTime } from "../src/latency";
import type { FrameMessage } from "../src/protocol";

const frame: FrameMessage = {
  type: "frame",
  rtp_timestamp: 0, // a time stamp of nought is one like any other
  sequence: 0,
  captured_ms: 1000,
  stages: { pose: [1002, 1020], generate: [1021, 1048], encode: [1049, 1053] },
  sent_ms: 1054,
};
const offset = { ms: 900, uncertainty_ms: 0.5 };

describe("measure", () => {
  it("splits the way into parts that add up to the whole", () => {
    const shown = { rtp_timestamp: 0, received: 156, decoding_ms: 4, shown: 175 };
    const sample = measure(frame, shown, offset, 6);
    expect(sample.total_ms).toBeCloseTo(175 - 94);
    expect(sample.parts.map(({ name }) => name)).toEqual([
      "upload", "waiting", "pose", "generate", "encode", "download", "decoding", "display",
    ]); // prettier-ignore
    expect(sample.parts.reduce((sum, { ms }) => sum + ms, 0)).toBeCloseTo(sample.total_ms);
    expect(sample.parts.find(({ name }) => name === "waiting")?.ms).toBeCloseTo(2 + 1 + 1 + 1);
  });

  it("adds up whatever the stamps are", () => {
    const odd = { ...frame, stages: { pose: [990, 1300], draw: [1010, 1015] } as const, sent_ms: 980 };
    const shown = { rtp_timestamp: 0, received: 40, decoding_ms: -3, shown: 160 };
    for (const upload of [null, 0, 8]) {
      const sample = measure(odd, shown, offset, upload);
      expect(sample.parts.reduce((sum, { ms }) => sum + ms, 0)).toBeCloseTo(sample.total_ms);
      expect(Math.min(...sample.parts.map(({ ms }) => ms))).toBeGreaterThanOrEqual(0);
    }
  });

  it("begins at the server, and says so, where the camera's time is not known", () => {
    const shown = { rtp_timestamp: 0, received: null, decoding_ms: null, shown: 175 };
    const sample = measure(frame, shown, offset, null);
    expect(sample.from_camera).toBe(false);
    expect(sample.total_ms).toBeCloseTo(75);
    expect(sample.parts.at(-1)?.name).toBe("display and download");
  });
});

describe("Matcher", () => {
  const shown = { rtp_timestamp: 0, received: 1, decoding_ms: 1, shown: 2 };

  it("brings message and picture together in any order, once", () => {
    const matcher = new Matcher();
    expect(matcher.message(frame)).toBeNull();
    expect(matcher.show(shown)).toEqual([frame, shown]);
    expect(matcher.show(shown)).toBeNull();
    expect(matcher.message(frame)).toEqual([frame, shown]);
  });

  it("forgets what never finds its other half", () => {
    const matcher = new Matcher();
    for (let i = 0; i < 1000; i++) matcher.message({ ...frame, rtp_timestamp: i });
    expect(matcher.show(shown)).toBeNull();
    expect(matcher.show({ ...shown, rtp_timestamp: 999 })).not.toBeNull();
  });
});

describe("uploadTime", () => {
  /** 30 pictures a second that tremble, a few of which never arrive. */
  function camera(tremble: number, upload: number) {
    let seed = 11;
    const random = () => (seed = (seed * 16807) % 2147483647) / 2147483647;
    const captured = Array.from({ length: 150 }, (_, i) => i * 33.3 + random() * tremble);
    const received = captured.filter(() => random() > 0.2).map((at) => at + upload + random() * 0.3);
    return { captured, received: received.slice(0, -3) };
  }

  it.each([3, 30, 45, 120])("finds %d ms by the camera's rhythm", (upload) => {
    const { captured, received } = camera(4, upload);
    expect(uploadTime(captured, received, 1)).toBeCloseTo(upload, 0);
  });

  it("says nothing of a camera that is too even, or too new", () => {
    const { captured, received } = camera(0, 40);
    expect(uploadTime(captured, received, 1)).toBeNull();
    expect(uploadTime(captured.slice(0, 5), received.slice(0, 5), 1)).toBeNull();
    expect(uploadTime([], [], 1)).toBeNull();
  });
});

describe("percentile", () => {
  it("is the nearest rank", () => {
    expect(percentile([3, 1, 2], 50)).toBe(2);
    expect(percentile([5], 95)).toBe(5);
    expect(percentile([], 50)).toBeNull();
  });
});
