import { setImmediate } from "node:timers/promises";

/** Opening and searching so many bytes takes a fraction of a millisecond. */
const BYTES_AT_ONCE = 64 * 1024;

/** Keeps long work from holding the event loop: others get it after so many bytes. */
export class Pauses {
  #bytes = 0;

  /** Says that so many bytes were worked on. */
  async after(bytes: number): Promise<void> {
    this.#bytes += bytes;
    if (this.#bytes < BYTES_AT_ONCE) return;
    this.#bytes = 0;
    await setImmediate();
  }
}
