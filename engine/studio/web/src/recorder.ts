/** The received show, sound and all, into a file; and single pictures of it. */

import { h, moment, save } from "./dom";

/** The first that the browser can write. */
const TYPES = ["video/mp4;codecs=avc1.42E01F,mp4a.40.2", "video/webm;codecs=vp9,opus", "video/webm"];
const SLICE_MS = 1000;

export class Recorder {
  #recorder: MediaRecorder | null = null;
  #timer = 0;

  /** @param onTime told the seconds recorded, once each second; null when it is over */
  constructor(private readonly onTime: (seconds: number | null) => void) {}

  get running(): boolean {
    return this.#recorder !== null;
  }

  /** Begin to record.
   * @throws Error the browser cannot write what is received */
  start(stream: MediaStream): void {
    const mimeType = TYPES.find((type) => MediaRecorder.isTypeSupported(type));
    if (mimeType === undefined) throw new Error("This browser cannot record video.");
    const recorder = new MediaRecorder(stream, { mimeType, videoBitsPerSecond: 6_000_000 });
    const pieces: Blob[] = [];
    recorder.addEventListener("dataavailable", ({ data }) => pieces.push(data));
    recorder.addEventListener("stop", () => {
      const type = mimeType.split(";")[0] as string;
      const film = new Blob(pieces, { type });
      if (film.size > 0) save(film, `Ayatsuri ${moment()}.${type.split("/")[1]}`);
      this.#over();
    });
    recorder.start(SLICE_MS);
    this.#recorder = recorder;
    const begin = performance.now();
    const tell = (): void => this.onTime((performance.now() - begin) / 1000);
    this.#timer = window.setInterval(tell, 1000);
    tell();
  }

  /** End, and save the file; nothing happens where nothing is recorded. */
  stop(): void {
    if (this.#recorder?.state === "recording") this.#recorder.stop();
  }

  #over(): void {
    clearInterval(this.#timer);
    this.#recorder = null;
    this.onTime(null);
  }
}

/** Save what is shown now, in its own size. */
export async function snapshot(video: HTMLVideoElement): Promise<void> {
  const canvas = h("canvas");
  canvas.width = video.videoWidth;
  canvas.height = video.videoHeight;
  canvas.getContext("2d")?.drawImage(video, 0, 0);
  const picture = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, "image/png"));
  if (picture !== null) save(picture, `Ayatsuri ${moment()}.png`);
}
