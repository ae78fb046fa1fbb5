import { setTimeout as pause } from "node:timers/promises";

/** Tries until it does not throw, and returns what it returned; after the deadline (in ms) fails as the last try did. */
export async function eventually<T>(attempt: () => T | Promise<T>, within = 5000): Promise<T> {
  const deadline = performance.now() + within;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await pause(10);
    }
  }
}
