/** Cameras and microphones: which there are, which is wanted, and why one cannot be had. */

import { recall, remember } from "./memory";

export type DeviceTrouble = "insecure" | "refused" | "none" | "busy" | "unplugged";

/** A camera or microphone cannot be had, or not any more. */
export class DeviceError extends Error {
  constructor(readonly trouble: DeviceTrouble) {
    super(trouble);
  }
}

const WHY: Record<string, DeviceTrouble> = {
  NotAllowedError: "refused",
  SecurityError: "refused",
  NotFoundError: "none",
  OverconstrainedError: "none",
  NotReadableError: "busy",
  AbortError: "busy",
};

export interface Choice {
  id: string;
  label: string;
}

export class Devices {
  camera = recall<string | null>("camera", null);
  microphone = recall<string | null>("microphone", null);
  /** Off until it is asked for: a puppet show is silent by nature, and so is a first visit. */
  sound = recall("sound", false);

  choose(kind: "camera" | "microphone", id: string | null): void {
    this[kind] = id;
    remember(kind, id);
  }

  setSound(on: boolean): void {
    this.sound = on;
    remember("sound", on);
  }

  /** The chosen camera, or the browser's own choice where it is gone. */
  async openCamera(): Promise<MediaStream> {
    return open({
      video: {
        width: { ideal: 640 },
        height: { ideal: 480 },
        frameRate: { ideal: 30 },
        ...(this.camera === null ? {} : { deviceId: { ideal: this.camera } }),
      },
    });
  }

  async openMicrophone(): Promise<MediaStreamTrack> {
    const stream = await open({
      audio: {
        echoCancellation: true,
        noiseSuppression: true,
        ...(this.microphone === null ? {} : { deviceId: { ideal: this.microphone } }),
      },
    });
    const [track] = stream.getAudioTracks();
    if (!track) throw new DeviceError("none");
    return track;
  }

  /** What can be chosen; nameless, and so left out, until the browser has been allowed once. */
  async list(kind: "videoinput" | "audioinput"): Promise<Choice[]> {
    const devices = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
    return devices
      .filter((device) => device.kind === kind && device.label !== "")
      .map((device) => ({ id: device.deviceId, label: device.label }));
  }
}

async function open(constraints: MediaStreamConstraints): Promise<MediaStream> {
  if (!navigator.mediaDevices) throw new DeviceError("insecure");
  try {
    return await navigator.mediaDevices.getUserMedia(constraints);
  } catch (error) {
    const trouble = error instanceof DOMException ? WHY[error.name] : undefined;
    if (trouble === undefined) throw error;
    throw new DeviceError(trouble);
  }
}
