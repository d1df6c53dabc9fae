/** The switch of the virtual camera: what is on stage, for programs that make calls. */

import { type Api, Refused } from "./api";
import { $ } from "./dom";
import type { VirtualCamera } from "./protocol";

/** How often the camera is looked at while the panel with its switch is open. */
const LOOK_MS = 2000;

export class Calls {
  #switch = $<HTMLInputElement>("virtual-camera");
  #say = $("calls-say");
  #busy = false;
  /** Why it could not be switched on; stays to be read until that is tried again. */
  #trouble: string | null = null;

  constructor(private readonly api: Api) {
    this.#switch.addEventListener("change", () => void this.#turn(this.#switch.checked));
    setInterval(() => {
      if (!$("panel-devices").hidden && !document.hidden) void this.refresh();
    }, LOOK_MS);
  }

  /** Ask how it is; the section is there where the server can have one. */
  async refresh(): Promise<void> {
    if (this.#busy) return;
    try {
      const camera = await this.api.virtualCamera();
      if (!this.#busy) this.#draw(camera);
    } catch (error) {
      if (error instanceof Refused) $("calls").hidden = true; // several studios, or no token yet
    }
  }

  async #turn(on: boolean): Promise<void> {
    this.#busy = this.#switch.disabled = true;
    this.#trouble = null;
    this.#tell(on ? "Looking for the camera …" : "");
    try {
      this.#draw(await this.api.switchVirtualCamera(on));
    } catch (error) {
      this.#trouble = capital((error as Error).message);
      this.#draw({ on: !on } as VirtualCamera);
    } finally {
      this.#busy = this.#switch.disabled = false;
    }
  }

  #draw(camera: VirtualCamera): void {
    $("calls").hidden = false;
    this.#switch.checked = camera.on;
    this.#tell(this.#trouble ?? words(camera));
  }

  #tell(text: string): void {
    if (this.#say.textContent !== text) this.#say.textContent = text;
  }
}

/** How the camera does, as a person reads it. */
export function words(camera: VirtualCamera): string {
  if (!camera.on) return "Whoever performs is then a camera of the server’s machine, on the chosen background.";
  if (camera.state === "waiting") return `${capital(camera.error ?? "it is away")}. It is tried again.`;
  if (camera.state !== "live") return "It begins with the show.";
  const device = camera.to.replace(/^virtual camera ?/, "");
  return `Choose ${device === "" ? "it" : `“${device}”`} as the camera of the call.`;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1); // without a full stop: it may end in a command
}
