/** What this browser remembers between visits; nothing of it leaves the machine unasked. */

const PREFIX = "ayatsuri.";

/** Of all visits, or of this tab alone, however often it is loaded again. */
type Where = "localStorage" | "sessionStorage";

/** The remembered value, or the given one where there is none. */
export function recall<T>(key: string, otherwise: T, where: Where = "localStorage"): T {
  try {
    const text = window[where].getItem(PREFIX + key);
    return text === null ? otherwise : (JSON.parse(text) as T);
  } catch {
    return otherwise; // storage is switched off, or holds what is not ours
  }
}

/** Remember a value; in vain where storage is full or switched off. */
export function remember(key: string, value: unknown, where: Where = "localStorage"): void {
  try {
    window[where].setItem(PREFIX + key, JSON.stringify(value));
  } catch {
    // Then it is asked again next time.
  }
}
