/** Light, dark, or as the system is. */

import { $ } from "./dom";
import { recall, remember } from "./memory";

const THEMES = ["system", "light", "dark"] as const;
const LABELS = { system: "as the system", light: "light", dark: "dark" };

export function theme(): void {
  let now = recall<(typeof THEMES)[number]>("theme", "system");
  const show = (): void => {
    if (now === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = now;
    $("theme").setAttribute("aria-label", `Colours: ${LABELS[now]}`);
    $("theme").title = `Colours: ${LABELS[now]}`;
  };
  $("theme").addEventListener("click", () => {
    now = THEMES[(THEMES.indexOf(now) + 1) % THEMES.length] ?? "system";
    remember("theme", now);
    show();
  });
  show();
}
