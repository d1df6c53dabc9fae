import { describe, expect, it } from "vitest";
import { eventsOf, Unreachable } from "../src/api";
import { words } from "../src/calls";
import { mended, nameOf } from "../src/enrolment";
import { between, type Figures, halting, read } from "../src/figures";
import { parseMessage } from "../src/protocol";

describe("parseMessage", () => {
  it("takes what it knows, and nothing else", () => {
    expect(parseMessage('{"type":"pong","t0":0,"t1":1,"t2":2}')).toEqual({ type: "pong", t0: 0, t1: 1, t2: 2 });
    for (const other of ["", "[]", "null", "7", '{"type":"pong","t0":"0"}', '{"type":"frame"}', 7]) {
      expect(parseMessage(other)).toBeNull();
    }
  });

  it("leaves out stages without two times", () => {
    const message = parseMessage(
      '{"type":"frame","rtp_timestamp":0,"sequence":0,"captured_ms":0,"sent_ms":5,"stages":{"pose":[1,2],"odd":[1],"none":null}}',
    );
    expect(message).toMatchObject({ stages: { pose: [1, 2] } });
    expect(message).not.toHaveProperty("stages.odd");
  });
});

describe("eventsOf", () => {
  it("reads events however they are cut", async () => {
    const text = 'event: x\ndata: {"a":"é"}\n\n: hush\n\ndata: 1\r\ndata: 2\r\n\r\ndata: cut';
    const bytes = new TextEncoder().encode(text);
    for (const size of [1, 3, 1000]) {
      const stream = new ReadableStream<Uint8Array>({
        start(controller) {
          for (let i = 0; i < bytes.length; i += size) controller.enqueue(bytes.slice(i, i + size));
          controller.close();
        },
      });
      const events: string[] = [];
      for await (const event of eventsOf(stream)) events.push(event);
      expect(events).toEqual(['{"a":"é"}', "1\n2"]);
    }
  });
});

describe("eventsOf a stream that breaks off", () => {
  it("tells that the server has gone", async () => {
    const stream = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(new TextEncoder().encode("data: 1\n\n")),
      pull: (controller) => controller.error(new TypeError("network error")),
    });
    const events = eventsOf(stream);
    expect(await events.next()).toEqual({ value: "1", done: false });
    await expect(events.next()).rejects.toThrow(Unreachable);
  });
});

describe("figures", () => {
  it("reads what is there, and counts from one reading to the next", () => {
    const entry = (id: string, value: object): [string, unknown] => [id, { id, ...value }];
    const report = (frames: number, lost: number) => [
      entry("in", { type: "inbound-rtp", kind: "video", framesDecoded: frames, packetsLost: lost, packetsReceived: frames, bytesReceived: frames * 1000, jitter: 0.004, codecId: "c", frameWidth: 256, frameHeight: 256 }),
      entry("c", { type: "codec", mimeType: "video/H264" }),
      entry("pair", { type: "candidate-pair", nominated: true, currentRoundTripTime: 0.003 }),
    ];
    const before = read(report(100, 0), 1000);
    const after = read(report(130, 10), 2000);
    expect(after).toMatchObject({ codec: "H264", size: "256 × 256", jitter_ms: 4, roundTrip_ms: 3, encoder: null });
    expect(between(before, after)).toMatchObject({ fps: 30, received_kbps: 240, loss: 0.25 });
  });
});

describe("halting", () => {
  const second = (fps: number, more: Partial<Figures> = {}): Figures => ({
    fps, sentFps: 30, received_kbps: 0, sent_kbps: 0, loss: 0, dropped: 0, freezes: 0, ...more,
  }); // prettier-ignore
  const seconds = (of: Figures, count = 9) => Array.from({ length: count }, () => of);

  it("says what holds the show back once it has been slow for a while", () => {
    expect(halting([])).toBeNull();
    expect(halting(seconds(second(30)))).toBeNull();
    expect(halting(seconds(second(2), 7))).toBeNull();
    expect(halting([...seconds(second(2)), second(25)])).toBeNull();
    expect(halting(seconds(second(2)))).toMatch(/machine/);
    expect(halting(seconds(second(2, { loss: 0.2 })))).toMatch(/network/);
    expect(halting(seconds(second(2, { sentFps: 5 })))).toMatch(/light/);
  });
});

describe("nameOf", () => {
  it("makes a name of a file's", () => {
    expect(nameOf("godette_render_1024.png")).toBe("Godette render 1024");
    expect(nameOf("  Ito-chan.v2.webp")).toBe("Ito-chan.v2");
    expect(nameOf("x".repeat(60) + ".png")).toHaveLength(40);
  });
});

describe("words of the virtual camera", () => {
  it("say what to choose, and what is in the way", () => {
    const camera = { on: true, to: "virtual camera /dev/video9", state: "live", error: null } as const;
    expect(words(camera)).toContain("“/dev/video9”");
    expect(words({ ...camera, to: "virtual camera" })).toContain("Choose it");
    expect(words({ ...camera, state: "waiting", error: "It was lost" })).toContain("It was lost. It is");
    expect(words({ ...camera, state: "connecting" })).toContain("begins with the show");
    expect(words({ on: false })).toContain("Whoever performs");
  });
});

describe("mended", () => {
  it("tells how far a character's mending is, and what came of it", () => {
    expect(mended("Ito", "learning", 0.416)).toBe("Ito: learning, 42 %");
    expect(mended("Ito", "painted by the adapted painter now", 1)).toBe("Ito: painted by the adapted painter now");
  });
});
