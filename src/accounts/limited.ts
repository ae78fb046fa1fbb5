import { ProblemCode, refuse } from "../problem.ts";

/**
 * Lets so many run at a time and so many wait for that; turns the excess away at once, with THROTTLED, so that a flood of
 * sign-ins takes neither all memory nor every thread nor the database's connections.
 */
export function limitedTo(maxRunning: number, maxWaiting: number): <T>(work: () => Promise<T>) => Promise<T> {
  let running = 0;
  const waiting: (() => void)[] = [];
  return async (work) => {
    if (running >= maxRunning) {
      if (waiting.length >= maxWaiting) refuse(ProblemCode.THROTTLED, "Too many people are signing in at once. Try again in a few seconds.", { retryAfter: 5 });
      await new Promise<void>((resume) => waiting.push(resume));
    } else {
      running += 1;
    }
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else running -= 1;
    }
  };
}
