import type { Storage } from "@graphiql/toolkit";

/** A storage for GraphiQL that forgets with the page, so that no query, variable, header or answer reaches the disk. */
export function memoryStorage(): Storage {
  const values = new Map([["graphiql:secondaryEditorFlex", "1.7"]]); // a taller half for the variables
  return {
    get length() {
      return values.size;
    },
    getItem: (key) => values.get(key) ?? null,
    setItem: (key, value) => void values.set(key, value),
    removeItem: (key) => void values.delete(key),
    clear: () => values.clear(),
  };
}
