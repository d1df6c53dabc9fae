/** What this browser remembers between visits; nothing of it leaves the machine unasked. */

const PREFIX = "ayatsuri.";

/** The remembered value, or the given one where there is none. */
export function recall<T>(key: string, otherwise: T): T {
  try {
    const text = localStorage.getItem(PREFIX + key);
    return text === null ? otherwise : (JSON.parse(text) as T);
  } catch {
    return otherwise; // storage is switched off, or holds what is not ours
  }
}

/** Remember a value; in vain where storage is full or switched off. */
export function remember(key: string, value: unknown): void {
  try {
    localStorage.setItem(PREFIX + key, JSON.stringify(value));
  } catch {
    // Then it is asked again next time.
  }
}
