// Where a browser keeps things. One that keeps nothing, or forbids it, is told by an error: then the page keeps them as long as it stands.

/** What this tab alone keeps, until it is closed. */
export const forTab = open('sessionStorage');

/** What all tabs keep, for good. */
export const forGood = open('localStorage');

function open(name) {
  try {
    const storage = window[name];
    storage.setItem('jumun', '');
    storage.removeItem('jumun');
    return storage;
  } catch {
    const items = new Map();
    return { getItem: key => items.get(key) ?? null, setItem: (key, value) => items.set(key, value), removeItem: key => items.delete(key) };
  }
}
