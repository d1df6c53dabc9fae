/** The column beside the stage: its tabs, and the devices. */

import { type Choice, DeviceError, type Devices } from "./devices";
import { $, h } from "./dom";
import { choose, rove } from "./rove";
import type { Show } from "./show";
import type { Stage } from "./stage";

const NAMES = ["puppet", "devices", "figures"] as const;
export type Tab = (typeof NAMES)[number];

export class Tabs {
  now: Tab = "puppet";
  /** Told when the figures come or go. */
  onFigures: (on: boolean) => void = () => {};
  #list = document.querySelector("[role=tablist]") as HTMLElement;

  /** @param onShow after each change */
  constructor(private readonly onShow: () => void) {
    rove(this.#list, "tab");
    for (const name of NAMES) $(`tab-${name}`).addEventListener("click", () => this.show(name));
  }

  show(tab: Tab): void {
    this.now = tab;
    choose(this.#list, "tab", $(`tab-${tab}`));
    for (const name of NAMES) $(`panel-${name}`).hidden = name !== tab;
    this.onFigures(tab === "figures");
    this.onShow();
  }

  /** Show one tab, or the other where it is shown already. */
  toggle(tab: Tab, other: Tab): void {
    this.show(this.now === tab ? other : tab);
    const panel = $(`panel-${this.now}`);
    if (this.now === tab) panel.scrollIntoView({ block: "nearest", behavior: "smooth" });
  }
}

export class DevicePanel {
  #camera = $<HTMLSelectElement>("camera");
  #microphone = $<HTMLSelectElement>("microphone");
  #address = $<HTMLInputElement>("obs-address");

  /** @param onChange after the microphone was switched on or off */
  constructor(
    private readonly devices: Devices,
    private readonly show: Show,
    private readonly stage: Stage,
    private readonly onChange: () => void,
  ) {
    this.#camera.addEventListener("change", () => void this.#changeCamera(this.#camera.value || null));
    this.#microphone.addEventListener("change", () => {
      devices.choose("microphone", this.#microphone.value || null);
      void show.changeMicrophone();
    });
    $("hear").addEventListener("change", (event) => {
      stage.video.muted = !(event.target as HTMLInputElement).checked;
    });
    $("copy").addEventListener("click", () => {
      this.#address.select();
      void navigator.clipboard?.writeText(this.#address.value).then(() => stage.say("Copied."));
    });
    navigator.mediaDevices?.addEventListener("devicechange", () => void this.refresh());
    void this.refresh();
  }

  /** List what is there. */
  async refresh(): Promise<void> {
    const address = new URL("obs", document.baseURI);
    address.hash = location.hash; // with the token
    this.#address.value = address.href;
    fill(this.#camera, "The browser’s own choice", await this.devices.list("videoinput"), this.devices.camera);
    fill(this.#microphone, "The browser’s own choice", await this.devices.list("audioinput"), this.devices.microphone);
  }

  async #changeCamera(wanted: string | null): Promise<void> {
    const before = this.devices.camera;
    this.devices.choose("camera", wanted);
    try {
      await this.show.changeCamera();
    } catch (error) {
      if (this.devices.camera !== wanted) return; // another was chosen meanwhile
      this.devices.choose("camera", before); // it goes on
      void this.refresh();
      this.stage.say(why("camera", error));
    }
  }

  toggleSound(): void {
    this.devices.setSound(!this.devices.sound);
    this.onChange();
    this.stage.say(this.devices.sound ? "The microphone is on." : "The microphone is off.");
    void this.show.changeMicrophone();
  }

  /** @param error why the microphone is off although it was wanted on; null: it is as it was wanted */
  heard(error: unknown): void {
    void this.refresh(); // its name is known now
    if (error === null) return;
    this.devices.setSound(false);
    this.onChange();
    this.stage.say(why("microphone", error));
  }
}

function why(device: "camera" | "microphone", error: unknown): string {
  if (!(error instanceof DeviceError)) return (error as Error).message;
  return {
    insecure: "Browsers give devices to https:// pages and localhost only.",
    refused: `The ${device} was refused: allow it in the address bar.`,
    none: `No ${device} was found.`,
    busy: `Another program holds the ${device}.`,
    unplugged: `The ${device} is gone: unplugged, or its permission was taken back.`,
  }[error.trouble];
}

function fill(select: HTMLSelectElement, own: string, choices: Choice[], chosen: string | null): void {
  select.replaceChildren(
    h("option", { value: "" }, own),
    ...choices.map(({ id, label }) => h("option", { value: id }, label)),
  );
  select.value = choices.some(({ id }) => id === chosen) ? (chosen ?? "") : "";
}
