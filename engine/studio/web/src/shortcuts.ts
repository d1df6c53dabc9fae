/** One key for everything; the same letters as in the engine's own window. */

import { $, h } from "./dom";

export interface Shortcut {
  /** As KeyboardEvent.key has it, in lower case. */
  key: string;
  /** As people read it, where that differs. */
  label?: string;
  what: string;
  press(): void;
}

const TYPED_INTO = "input:not([type=range], [type=checkbox]), select, textarea";

export class Shortcuts {
  #dialog = $<HTMLDialogElement>("help");

  constructor(shortcuts: Shortcut[]) {
    const known = new Map(shortcuts.map((shortcut) => [shortcut.key, shortcut]));
    addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
      if (document.querySelector("dialog[open]")) return; // its own keys alone
      if (event.target instanceof Element && event.target.matches(TYPED_INTO)) return;
      const shortcut = known.get(event.key.toLowerCase());
      if (!shortcut) return;
      event.preventDefault();
      shortcut.press();
    });
    $("help-list").append(
      ...shortcuts.map(({ key, label, what }) =>
        h("div", {}, h("dt", {}, h("kbd", {}, label ?? key.toUpperCase())), h("dd", {}, what)),
      ),
    );
    for (const dialog of document.querySelectorAll("dialog")) {
      // A press beside a dialog closes it.
      dialog.addEventListener("click", (event) => {
        if (event.target === dialog) dialog.close();
      });
    }
  }

  help(): void {
    this.#dialog.showModal();
  }
}
