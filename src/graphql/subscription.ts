import type { Ctx, ViewerCtx } from "../context.ts";

/** The context of a subscription: long-lived itself, it makes a fresh one for every event, so that nothing is remembered from one to the next. */
export interface SubscriptionCtx extends Ctx {
  readonly fresh: () => ViewerCtx;
}

/**
 * Makes an iterator of a generator that may be waiting when its reader leaves: `return()` first aborts the signal the
 * generator was given, since a generator that waits cannot be told otherwise.
 */
export function untilReturned<T>(generate: (stop: AbortSignal) => AsyncGenerator<T>): AsyncIterableIterator<T> {
  const stop = new AbortController();
  const generator = generate(stop.signal);
  return {
    next: () => generator.next(),
    return: () => {
      stop.abort();
      return generator.return(undefined);
    },
    throw: (error) => {
      stop.abort();
      return generator.throw(error);
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}
