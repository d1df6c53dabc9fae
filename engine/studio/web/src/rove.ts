/** Groups of which one member is chosen, moved through by arrow keys: radio groups and tabs. */

const STEPS: Record<string, number> = {
  ArrowRight: 1,
  ArrowDown: 1,
  ArrowLeft: -1,
  ArrowUp: -1,
};

/** Let arrow keys, Home and End move the focus within a group, and press what they come to. */
export function rove(group: HTMLElement, role: "radio" | "tab"): void {
  group.addEventListener("keydown", (event) => {
    const members = [...group.querySelectorAll<HTMLElement>(`[role=${role}]`)];
    const here = members.indexOf(document.activeElement as HTMLElement);
    if (here < 0) return;
    const step = STEPS[event.key];
    let to: number;
    if (step !== undefined) to = (here + step + members.length) % members.length;
    else if (event.key === "Home") to = 0;
    else if (event.key === "End") to = members.length - 1;
    else return;
    event.preventDefault();
    event.stopPropagation();
    members[to]?.focus();
    members[to]?.click();
  });
}

/** Mark one member as chosen; only that one is a stop of the Tab key. */
export function choose(group: HTMLElement, role: "radio" | "tab", chosen: HTMLElement | null): void {
  const members = [...group.querySelectorAll<HTMLElement>(`[role=${role}]`)];
  for (const member of members) {
    const is = member === chosen;
    member.setAttribute(role === "radio" ? "aria-checked" : "aria-selected", String(is));
    member.tabIndex = is || (chosen === null && member === members[0]) ? 0 : -1;
  }
}
