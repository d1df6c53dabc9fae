import { describe, expect, it } from "vitest";
import type { Api } from "../src/api";
import type { Devices } from "../src/devices";
import type { Performer } from "../src/line";
import { Show, type Watcher } from "../src/show";

/** A camera or microphone that tells whether it is open. */
class Track extends EventTarget {
  open = true;

  stop(): void {
    this.open = false;
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
  cameras: ((stream: Stream) => void)[] = [];
  microphones: ((track: Track) => void)[] = [];

  openCamera(): Promise<Stream> {
    return new Promise((resolve) => this.cameras.push(resolve));
  }

  openMicrophone(): Promise<Track> {
    return new Promise((resolve) => this.microphones.push(resolve));
  }
}

/** A show that is on, with a camera, and what it sends. */
function live(): { show: Show; devices: FakeDevices; camera: Stream; sent: Record<string, unknown> } {
  const [devices, camera] = [new FakeDevices(), new Stream()];
  const sent: Record<string, unknown> = { camera: camera.track, microphone: null };
  const sender = (kind: string): unknown => ({
    replaceTrack: (track: unknown) => Promise.resolve(void (sent[kind] = track)),
  });
  const watcher: Watcher = {
    onState: () => {},
    onLine: () => {},
    onSession: () => {},
    onMessage: () => {},
    onEnd: () => {},
  };
  const show = new Show({} as Api, devices as unknown as Devices, watcher);
  show.state = { name: "live" };
  show.camera = camera as unknown as MediaStream;
  show.line = { camera: sender("camera"), microphone: sender("microphone"), close: () => {} } as unknown as Performer;
  return { show, devices, camera, sent };
}

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
});
