/** What is behind the character. */

import type { Api } from "./api";
import { $, h, icon } from "./dom";
import type { Background } from "./protocol";
import { choose, rove } from "./rove";

/** A picture is made smaller than this before it is sent: the stage shows no more. */
const LONGEST_SIDE_PX = 1280;

const FIXED: { name: string; label: string; value: Background }[] = [
  { name: "soft", label: "Soft", value: "soft" },
  { name: "transparent", label: "None", value: "transparent" },
  { name: "blur", label: "Blur", value: "blur" },
  { name: "green", label: "Green", value: "#00b140" },
];

export class Backdrop {
  #group = $("backgrounds");
  #colour = $<HTMLInputElement>("colour");
  #image = $<HTMLInputElement>("image");
  #members = new Map<string, HTMLElement>();

  /**
   * @param onChoose told the background that is wanted
   * @param onTrouble told in words why a picture cannot be used
   */
  constructor(
    private readonly api: Api,
    private readonly onChoose: (background: Background) => void,
    private readonly onTrouble: (why: string) => void,
  ) {
    for (const { name, label, value } of FIXED) this.#add(name, label, () => onChoose(value));
    this.#add("colour", "Colour", () => this.#colour.click());
    this.#add("image", "Picture", () => this.#image.click(), icon("image"));
    rove(this.#group, "radio");
    this.#colour.addEventListener("input", () => onChoose(this.#colour.value));
    this.#image.addEventListener("change", () => {
      const [file] = this.#image.files ?? [];
      this.#image.value = "";
      if (file) void this.#take(file);
    });
  }

  show(background: Background): void {
    const fixed = FIXED.find(({ value }) => value === background);
    const isColour = background.startsWith("#");
    const name = fixed?.name ?? (isColour ? "colour" : "image");
    if (isColour) {
      this.#colour.value = background;
      if (!fixed) this.#group.style.setProperty("--chosen", background);
    }
    choose(this.#group, "radio", this.#members.get(name) ?? null);
  }

  #add(name: string, label: string, press: () => void, ...inside: Node[]): void {
    const swatch = h("span", { class: `swatch swatch-${name}` }, ...inside);
    const button = h("button", { class: "choice", type: "button", role: "radio" }, swatch, label);
    button.addEventListener("click", press);
    this.#group.append(button);
    this.#members.set(name, button);
  }

  async #take(file: File): Promise<void> {
    let picture: Blob;
    try {
      picture = await shrink(file);
    } catch {
      this.onTrouble(`${file.name} is no picture that this browser can read.`);
      return;
    }
    try {
      this.onChoose(await this.api.background(picture));
    } catch (error) {
      this.onTrouble((error as Error).message);
    }
  }
}

async function shrink(file: File): Promise<Blob> {
  const picture = await createImageBitmap(file);
  const scale = Math.min(LONGEST_SIDE_PX / Math.max(picture.width, picture.height), 1);
  const canvas = h("canvas");
  canvas.width = Math.max(Math.round(picture.width * scale), 1);
  canvas.height = Math.max(Math.round(picture.height * scale), 1);
  const context = canvas.getContext("2d");
  if (context === null) throw new Error("no canvas");
  context.fillStyle = "#fff"; // JPEG has no transparency
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(picture, 0, 0, canvas.width, canvas.height);
  picture.close();
  return new Promise((resolve, reject) => {
    const done = (made: Blob | null): void => (made ? resolve(made) : reject(new Error("no JPEG")));
    canvas.toBlob(done, "image/jpeg", 0.88);
  });
}
