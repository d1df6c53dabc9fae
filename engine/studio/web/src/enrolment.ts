/** A drawing is dropped on the page, and becomes a character before the eyes of its maker. */

import { type Api, Refused, Unreachable } from "./api";
import { $, h } from "./dom";
import { recall, remember } from "./memory";
import type { EnrolEvent } from "./protocol";

const TYPES = ["image/png", "image/jpeg", "image/webp"];
/** To look at what has come of it. */
const APPLAUSE_MS = 2500;
const MISSING = [404, 405, 501];
/** What is being made for this tab: a page that is loaded again goes on listening. */
const BEGUN = "enrolments";

/** How far a character's mending is, in a line. */
export function mended(name: string, stage: string, share: number): string {
  return share < 1 ? `${name}: ${stage}, ${Math.round(100 * share)} %` : `${name}: ${stage}`;
}

/** What a character is called who was drawn in a file. */
export function nameOf(file: string): string {
  const words = file.replace(/\.[^.]*$/, "").replace(/[_\s]+/g, " ").trim().slice(0, 40).trim();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

export class Enrolment {
  #dialog = $<HTMLDialogElement>("enrol");
  #body = $("enrol-body");
  #input = $<HTMLInputElement>("drawing");
  #veil = $("drop");

  /**
   * @param onDone told the name of the new character
   * @param onNews told in words what nobody sees in the dialog: of its mending, while it plays, and what
   *   became of a drawing that is made behind it
   */
  constructor(
    private readonly api: Api,
    private readonly onDone: (name: string) => void,
    private readonly onNews: (text: string) => void,
  ) {
    this.#input.addEventListener("change", () => {
      const [file] = this.#input.files ?? [];
      this.#input.value = "";
      if (file) this.offer(file);
    });
    this.#listen();
    for (const id of begun()) void this.#resume(id);
  }

  /** Let a file be chosen. */
  ask(): void {
    this.#input.click();
  }

  /** Show a drawing, and ask for the character's name. */
  offer(file: File): void {
    if (!TYPES.includes(file.type)) {
      this.#say("That is no drawing", `${file.name} is neither PNG, JPEG nor WebP.`, this.#another());
    } else {
      this.#form(file);
    }
    if (!this.#dialog.open) this.#dialog.showModal();
  }

  #listen(): void {
    const files = (event: DragEvent): boolean => event.dataTransfer?.types.includes("Files") ?? false;
    let depth = 0; // enter and leave come for every element that is passed over
    addEventListener("dragenter", (event) => {
      if (files(event)) depth++;
      this.#veil.hidden = depth === 0;
    });
    addEventListener("dragleave", (event) => {
      if (files(event)) depth = Math.max(depth - 1, 0);
      this.#veil.hidden = depth === 0;
    });
    addEventListener("dragover", (event) => event.preventDefault());
    addEventListener("drop", (event) => {
      event.preventDefault();
      depth = 0;
      this.#veil.hidden = true;
      const [file] = event.dataTransfer?.files ?? [];
      if (file) this.offer(file);
    });
  }

  #form(file: File, called = nameOf(file.name)): void {
    const address = URL.createObjectURL(file);
    const name = h("input", {
      id: "enrol-name", type: "text", required: "", maxlength: "40", autocomplete: "off",
      value: called,
    }); // prettier-ignore
    const form = h(
      "form",
      { class: "enrol-form" },
      h("img", { class: "drawing", src: address, alt: "Your drawing" }),
      h(
        "div",
        {},
        h("label", { class: "field", for: "enrol-name" }, "Name of the character"),
        name,
        h("p", { class: "fine" }, "A front view works best: the whole body, arms a little away from it, on a plain or transparent ground."),
        h("button", { class: "primary", type: "submit" }, "Make the character"),
      ),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#make(file, address, name.value.trim());
    });
    this.#body.replaceChildren(form);
  }

  /** Goes on when the dialog is closed: the character then joins the gallery by itself. */
  async #make(file: File, address: string, name: string): Promise<void> {
    const picture = h("img", { class: "drawing", src: address, alt: "" });
    const stage = h("p", { class: "enrol-stage", role: "status" }, "Sending the drawing…");
    const bar = h("progress", { max: "1", "aria-label": "Progress" });
    const notes = h("div", { class: "enrol-notes fine" });
    const work = h("div", { class: "enrol-work" }, picture, stage, bar, notes);
    this.#body.replaceChildren(work);
    const shown = (): boolean => this.#dialog.open && work.isConnected;
    let done = false;
    try {
      const id = await this.api.enrol(file, name);
      for await (const event of this.#events(id)) {
        if (event.error !== undefined) throw new Error(event.error);
        stage.textContent = event.stage;
        bar.value = event.share;
        if (event.note !== undefined) {
          notes.append(h("p", {}, event.note));
          if (!shown()) this.onNews(event.note);
        }
        if (event.preview !== undefined) {
          picture.src = event.preview;
          picture.classList.add("wide");
        }
        if (event.done !== undefined) {
          done = true;
          this.onDone(event.done.character);
          if (notes.childElementCount === 0) setTimeout(() => shown() && this.#dialog.close(), APPLAUSE_MS);
          else work.append(this.#button("Close", () => this.#dialog.close())); // they want to be read
        }
        if (event.mending !== undefined) this.onNews(mended(event.mending, event.stage, event.share));
      }
      if (!done) throw new Unreachable("The server ended before the character was done.");
    } catch (error) {
      if (done) return; // the character is there; its mending goes on without this page
      const why = (error as Error).message;
      if (this.#dialog.open && !work.isConnected) return this.onNews(`${name}: ${why}`); // the next is on
      if (error instanceof Unreachable) {
        const again = this.#button("Try again", () => this.#form(file, name));
        this.#say("The server is away", `${why} The drawing can wait until it is back.`, notes, again);
      } else if (error instanceof Refused && MISSING.includes(error.status)) {
        const close = this.#button("Close", () => this.#dialog.close());
        this.#say("This server makes no characters", `Its part for that is not installed. It says: ${why}`, close);
      } else {
        this.#say("The drawing could not become a character", why, notes, this.#another());
      }
      if (!this.#dialog.open) this.#dialog.showModal();
    }
  }

  /** What was begun before the page was loaded again, without the dialog. */
  async #resume(id: string): Promise<void> {
    try {
      for await (const event of this.#events(id)) {
        if (event.done !== undefined) this.onDone(event.done.character);
        const news = event.error ?? event.note;
        if (news !== undefined) this.onNews(news);
        if (event.mending !== undefined) this.onNews(mended(event.mending, event.stage, event.share));
      }
    } catch (error) {
      if (error instanceof Refused) forget(id); // a server that was begun anew knows nothing of it
    }
  }

  /** All there is to be told of a drawing, remembered until it is a character or none. */
  async *#events(id: string): AsyncGenerator<EnrolEvent> {
    remember(BEGUN, [...new Set([...begun(), id])], "sessionStorage");
    for await (const event of this.api.enrolment(id)) {
      if (event.done !== undefined || event.error !== undefined) forget(id);
      yield event;
    }
  }

  #say(title: string, text: string, ...more: Node[]): void {
    this.#body.replaceChildren(
      h("div", { class: "enrol-work", role: "alert" }, h("h3", {}, title), h("p", {}, text), ...more),
    );
  }

  #another(): HTMLElement {
    return this.#button("Choose another drawing", () => this.ask());
  }

  #button(label: string, press: () => void): HTMLElement {
    const button = h("button", { class: "primary", type: "button" }, label);
    button.addEventListener("click", press);
    return button;
  }
}

function begun(): string[] {
  return recall<string[]>(BEGUN, [], "sessionStorage");
}

function forget(id: string): void {
  remember(BEGUN, begun().filter((other) => other !== id), "sessionStorage");
}
