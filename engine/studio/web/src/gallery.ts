/** The characters, each with its picture; a click puts one on stage. */

import { type Api, Refused } from "./api";
import { $, h, icon } from "./dom";
import type { Character } from "./protocol";
import { portray, type Portrait } from "./portrait";
import { choose, rove } from "./rove";

export class Gallery {
  characters: Character[] = [];
  #pictures = new Map<string, Portrait>();
  #group = $("gallery");
  #chosen: string | null = null;

  /**
   * @param onChoose told the name of a character that was clicked
   * @param onAdd told that a drawing is to become one
   */
  constructor(
    private readonly api: Api,
    private readonly onChoose: (name: string) => void,
    private readonly onAdd: () => void,
  ) {
    rove(this.#group, "radio");
    this.#draw("Looking for the characters…");
  }

  /** Ask the server who is there. */
  async load(session: string | null): Promise<void> {
    try {
      this.characters = await this.api.characters(session);
    } catch (error) {
      const locked = error instanceof Refused && error.status === 401;
      const why = locked ? "the server wants a token first." : (error as Error).message;
      this.#draw(`The characters could not be listed: ${why}`);
      return;
    }
    this.#draw(this.characters.length === 0 ? "There is no character yet." : "");
    await Promise.all(this.characters.map((character) => this.#paint(character)));
  }

  /** The character of a name; else the one that is on stage. */
  find(name: string | null): Character | undefined {
    return (
      this.characters.find((character) => character.name === name) ??
      this.characters.find((character) => character.is_active) ??
      this.characters[0]
    );
  }

  /** The one `step` places on, round and round. */
  beside(name: string | null, step: number): Character | undefined {
    const here = this.characters.indexOf(this.find(name) as Character);
    return this.characters.at((here + step) % this.characters.length);
  }

  /** A character's picture, once it is there. */
  picture(name: string): Portrait | undefined {
    return this.#pictures.get(name);
  }

  show(name: string | null): void {
    const character = this.find(name);
    this.#chosen = character?.name ?? null;
    const cards = [...this.#group.querySelectorAll<HTMLElement>("[role=radio]")];
    choose(this.#group, "radio", cards.find((card) => card.dataset.name === this.#chosen) ?? null);
    $("credit").textContent = character
      ? [character.author && `by ${character.author}`, character.licence].filter(Boolean).join(" · ")
      : "";
  }

  #draw(message: string): void {
    const add = h(
      "button",
      { class: "card card-add", type: "button", title: "Make a character of a drawing" },
      h("span", { class: "portrait" }, icon("plus")),
      h("span", { class: "name" }, "Your drawing"),
    );
    add.addEventListener("click", this.onAdd);
    const cards = this.characters.map((character) => this.#card(character));
    const focused = cards.find(({ dataset }) => dataset.name === this.#focused());
    this.#group.replaceChildren(...cards, add);
    focused?.focus({ preventScroll: true });
    if (message !== "") this.#group.append(h("p", { class: "fine wide" }, message));
    this.show(this.#chosen);
  }

  #focused(): string | undefined {
    const element = document.activeElement as HTMLElement | null;
    return this.#group.contains(element) ? element?.dataset.name : undefined;
  }

  #card({ name, title }: Character): HTMLElement {
    const portrait = h("span", { class: "portrait" });
    const known = this.#pictures.get(name);
    portrait.append(known ? h("img", { src: known.address, alt: "" }) : icon("figure"));
    const card = h(
      "button",
      { class: "card", type: "button", role: "radio", "data-name": name, title: title ?? name },
      portrait,
      h("span", { class: "name" }, title ?? name),
    );
    card.addEventListener("click", () => this.onChoose(name));
    return card;
  }

  async #paint({ name, thumbnail }: Character): Promise<void> {
    if (thumbnail === null || this.#pictures.has(name)) return;
    try {
      const found = await portray(await this.api.picture(thumbnail));
      this.#pictures.set(name, found);
      const portrait = this.#group.querySelector(`[data-name="${CSS.escape(name)}"] .portrait`);
      portrait?.replaceChildren(h("img", { src: found.address, alt: "" }));
    } catch {
      // The outline stays: a character without a picture can play all the same.
    }
  }
}
