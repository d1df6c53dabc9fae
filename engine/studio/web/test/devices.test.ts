import { afterEach, describe, expect, it, vi } from "vitest";
import type { Api } from "../src/api";
import { DeviceError, type Devices } from "../src/devices";
import { type Performer, perform } from "../src/line";
import { Show, type State, type Watcher } from "../src/show";

vi.mock("../src/line", async (really) => ({ ...(await really<object>()), perform: vi.fn() }));

/** A camera or microphone that tells whether it is open. */
class Track extends EventTarget {
  open = true;

  stop(): void {
    this.open = false;
  }

  unplug(): void {
    this.open = false;
    this.dispatchEvent(new Event("ended"));
  }
}

class Stream {
  readonly track = new Track();

  getTracks(): Track[] {
    return [this.track];
  }

  getVideoTracks(): Track[] {
    return [this.track];
  }
}

/** Devices that open when they are told to, as a browser that asks first. */
class FakeDevices {
  sound = false;
  cameras: ((stream: Stream | Promise<never>) => void)[] = [];
  microphones: ((track: Track | Promise<never>) => void)[] = [];

  openCamera(): Promise<Stream> {
    return new Promise((resolve) => this.cameras.push(resolve));
  }

  openMicrophone(): Promise<Track> {
    return new Promise((resolve) => this.microphones.push(resolve));
  }
}

class Line {
  open = true;
  readonly location = "/whip/name";
  stats: object[] = [];
  readonly connection = {
    getReceivers: () => [],
    getStats: () => Promise.resolve(new Map(this.stats.entries())),
  };
  readonly camera = this.#sender("camera");
  readonly microphone = this.#sender("microphone");

  constructor(readonly sent: Record<string, unknown>) {}

  close(): void {
    this.open = false;
  }

  #sender(kind: string): unknown {
    return { replaceTrack: (track: unknown) => Promise.resolve(void (this.sent[kind] = track)) };
  }
}

/** A show that is to begin, and what is told of it. */
function idle(): { show: Show; devices: FakeDevices; states: State[]; errors: unknown[]; lines: unknown[] } {
  const devices = new FakeDevices();
  const [states, errors, lines]: [State[], unknown[], unknown[]] = [[], [], []];
  const watcher: Watcher = {
    onState: (state) => states.push(state),
    onLine: (line) => lines.push(line),
    onSession: () => {},
    onMessage: () => {},
    onMicrophone: (error) => errors.push(error),
    onEnd: () => {},
  };
  const config = { iceServers: [], free: 1, settled: [] };
  const api = {
    config: () => Promise.resolve(config),
    answers: () => Promise.resolve(true),
    report: () => Promise.resolve({}),
  } as unknown as Api;
  return { show: new Show(api, devices as unknown as Devices, watcher), devices, states, errors, lines };
}

/** A show that is on, with a camera, and what it sends. */
function live(): {
  show: Show;
  devices: FakeDevices;
  camera: Stream;
  sent: Record<string, unknown>;
  errors: unknown[];
} {
  const [{ show, devices, errors }, camera] = [idle(), new Stream()];
  const sent: Record<string, unknown> = { camera: camera.track, microphone: null };
  show.state = { name: "live" };
  show.camera = camera as unknown as MediaStream;
  show.line = new Line(sent) as unknown as Performer;
  return { show, devices, camera, sent, errors };
}

/** Connections that come about when they are told to, each with what it was begun with. */
function connecting(): ((line: Line) => void)[] {
  const answers: ((line: Line) => void)[] = [];
  vi.mocked(perform).mockImplementation((_, camera, microphone) =>
    new Promise((resolve) => {
      answers.push((line) => {
        Object.assign(line.sent, { camera, microphone });
        resolve(line as unknown as Performer);
      });
    }),
  );
  return answers;
}

const soon = (): Promise<void> => new Promise((resolve) => setTimeout(resolve));

afterEach(() => {
  vi.resetAllMocks();
  vi.useRealTimers();
});

describe("Show", () => {
  it("sends no sound after the microphone was switched off, however late it opens", async () => {
    const { show, devices, sent } = live();
    devices.sound = true;
    const on = show.changeMicrophone();
    devices.sound = false;
    await show.changeMicrophone();
    const track = new Track();
    devices.microphones[0]?.(track);
    await on;
    expect(sent.microphone).toBeNull();
    expect(track.open).toBe(false);
  });

  it("keeps the microphone of the last of several wishes alone", async () => {
    const { show, devices, sent } = live();
    devices.sound = true;
    const wishes = [show.changeMicrophone(), show.changeMicrophone()];
    const [first, second] = [new Track(), new Track()];
    devices.microphones[1]?.(second);
    devices.microphones[0]?.(first);
    await Promise.all(wishes);
    expect(sent.microphone).toBe(second);
    expect([first.open, second.open]).toEqual([false, true]);
  });

  it("leaves no device open that comes after the end", async () => {
    const { show, devices, camera } = live();
    devices.sound = true;
    const changes = [show.changeCamera(), show.changeMicrophone()];
    show.stop();
    const [stream, track] = [new Stream(), new Track()];
    devices.cameras[0]?.(stream);
    devices.microphones[0]?.(track);
    await Promise.all(changes);
    expect([camera.track.open, stream.track.open, track.open]).toEqual([false, false, false]);
    expect(show.camera).toBeNull();
  });

  it("takes the camera that was chosen last", async () => {
    const { show, devices, camera, sent } = live();
    const changes = [show.changeCamera(), show.changeCamera()];
    const [first, second] = [new Stream(), new Stream()];
    devices.cameras[0]?.(first);
    devices.cameras[1]?.(second);
    await Promise.all(changes);
    expect(sent.camera).toBe(second.track);
    expect([camera, first, second].map(({ track }) => track.open)).toEqual([false, false, true]);
  });

  it("goes on without a microphone that is refused, and takes it for no camera", async () => {
    const { show, devices, states, errors } = idle();
    const answers = connecting();
    devices.sound = true;
    const over = show.start();
    await soon();
    devices.cameras[0]?.(new Stream());
    await soon();
    devices.microphones[0]?.(Promise.reject(new DeviceError("refused")));
    await soon();
    answers[0]?.(new Line({}));
    await soon();
    expect(errors).toEqual([new DeviceError("refused")]);
    expect(states.map(({ name }) => name)).not.toContain("trouble");
    expect(show.running).toBe(true);
    show.stop();
    await over;
  });

  it("sends the devices that were chosen while it was connecting", async () => {
    const { show, devices } = idle();
    const answers = connecting();
    const over = show.start();
    await soon();
    devices.cameras[0]?.(new Stream());
    await soon();
    devices.sound = true;
    const changes = [show.changeMicrophone(), show.changeCamera()];
    const [track, camera] = [new Track(), new Stream()];
    devices.microphones[0]?.(track);
    devices.cameras[1]?.(camera);
    await Promise.all(changes);
    const line = new Line({});
    answers[0]?.(line);
    await soon();
    expect(line.sent).toEqual({ camera: camera.track, microphone: track });
    show.stop();
    await over;
  });

  it("tells that the microphone was unplugged, and sends it no more", async () => {
    const { show, devices, sent, errors } = live();
    devices.sound = true;
    const on = show.changeMicrophone();
    const [track, next] = [new Track(), new Track()];
    devices.microphones[0]?.(track);
    await on;
    track.unplug();
    expect(errors).toEqual([null, new DeviceError("unplugged")]);
    expect(sent.microphone).toBeNull();
    const again = show.changeMicrophone();
    devices.microphones[1]?.(next);
    await again;
    track.unplug(); // of one that was given back nobody is told
    expect(errors).toEqual([null, new DeviceError("unplugged"), null]);
    expect(sent.microphone).toBe(next);
  });

  it("opens the camera that is chosen while the first one is being opened", async () => {
    const { show, devices } = idle();
    const answers = connecting();
    const over = show.start();
    await soon();
    await show.changeCamera();
    const [first, second] = [new Stream(), new Stream()];
    devices.cameras[0]?.(first);
    await soon();
    await show.changeCamera();
    devices.cameras[1]?.(Promise.reject(new DeviceError("busy"))); // of no interest any more
    await soon();
    devices.cameras[2]?.(second);
    await soon();
    const line = new Line({});
    answers[0]?.(line);
    await soon();
    expect([first.track.open, second.track.open]).toEqual([false, true]);
    expect(line.sent.camera).toBe(second.track);
    show.stop();
    await over;
  });

  it("closes a connection that comes after the end, and leaves the next show alone", async () => {
    const { show, devices, lines } = idle();
    const answers = connecting();
    const first = show.start();
    await soon();
    devices.cameras[0]?.(new Stream());
    await soon();
    show.stop();
    const second = show.start();
    await soon();
    devices.cameras[1]?.(new Stream());
    await soon();
    const [late, next] = [new Line({}), new Line({})];
    answers[1]?.(next);
    await soon();
    answers[0]?.(late);
    await first;
    expect([late.open, next.open]).toEqual([false, true]);
    expect(lines).toEqual([next]);
    show.stop();
    await second;
    expect(next.open).toBe(false);
  });

  it.each([
    ["camera", false, 2],
    ["network", true, 1],
  ])("finds the %s at fault where no pictures come, and mends that", async (why, gives, opened) => {
    const { show, devices, states } = idle();
    const answers = connecting();
    void show.start();
    await soon();
    devices.cameras[0]?.(new Stream());
    await soon();
    vi.useFakeTimers();
    const line = new Line({});
    let [decoded, given] = [0, 0];
    const tick = async (seconds: number, decodes: boolean): Promise<void> => {
      for (let i = 0; i < seconds * 2; i++) {
        if (decodes) decoded++;
        if (decodes || gives) given++;
        line.stats = [
          { type: "inbound-rtp", kind: "video", framesDecoded: decoded },
          { type: "media-source", kind: "video", frames: given },
        ];
        await vi.advanceTimersByTimeAsync(500);
      }
    };
    answers[0]?.(line);
    await tick(2, true);
    show.seen();
    await tick(4, true);
    expect(show.state).toEqual({ name: "live" });
    await tick(5, false);
    expect(show.state).toEqual({ name: "cut", why, next: null });
    await tick(5, false);
    expect(devices.cameras).toHaveLength(opened);
    expect(answers).toHaveLength(why === "camera" ? 1 : 2);
    expect(states.map(({ name }) => name)).not.toContain("trouble");
    show.stop(); // what it waited for never comes
  });
});
