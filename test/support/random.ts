/** Chance that can be repeated: the same seed gives the same choices (mulberry32). */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  /** A whole number from 0 up to, but not including, `end`. */
  below(end: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % end;
  }

  /** One of these. */
  pick<T>(items: readonly T[]): T {
    const item = items[this.below(items.length)];
    if (item === undefined) throw new Error("There is nothing to pick from");
    return item;
  }

  /** These in another order. */
  shuffled<T>(items: readonly T[]): T[] {
    const order = [...items];
    for (let n = order.length - 1; n > 0; n -= 1) {
      const other = this.below(n + 1);
      const [a, b] = [order[n], order[other]];
      if (a !== undefined && b !== undefined) [order[n], order[other]] = [b, a];
    }
    return order;
  }
}
