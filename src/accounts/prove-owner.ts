import type { Ctx } from "../context.ts";
import { type Account, normaliseUserId } from "./account.ts";
import { isKnownDevice } from "./known-device.ts";
import { limitedTo } from "./limited.ts";
import { type Attempt, type AttemptRule, countAttempts, forgiveAttempts, uncountAttempts } from "./throttle.ts";

/** Few enough that all others find a connection to the database; whoever waits here waits three seconds or so at most. */
const limited = limitedTo(4, 150);

/** What one way to sign in is counted by. */
export interface OwnerRules {
  readonly account: AttemptRule;
  readonly device: AttemptRule;
  readonly source: AttemptRule;
}

/** What counts for passwords and e-mailed codes alike. */
export const signInRules: OwnerRules = { account: "sign-in/account", device: "sign-in/device", source: "sign-in/source" };

/**
 * What an attempt on an account is counted by: the user ID as it was typed, whether anybody has it or not, and where it comes
 * from. On a device that the account knows it is a matter between these two, so the owner gets in while strangers try.
 */
export async function attemptsOn(ctx: Ctx, userId: string, rules: OwnerRules): Promise<Attempt[]> {
  const typed = normaliseUserId(userId);
  if (await isKnownDevice(ctx, typed)) return [{ rule: rules.device, key: `${ctx.deviceToken} ${typed}` }];
  return [
    { rule: rules.account, key: typed },
    { rule: rules.source, key: ctx.source },
  ];
}

/**
 * Lets somebody try to prove to be an account's owner, and counts it before any work is done. Only a failure stays counted: a
 * success is taken back, and forgives what was counted for the account or the device, but never the source.
 */
export async function proveOwner(ctx: Ctx, userId: string, prove: () => Promise<Account | null>): Promise<Account | null> {
  return limited(() => countedProof(ctx, userId, prove));
}

async function countedProof(ctx: Ctx, userId: string, prove: () => Promise<Account | null>): Promise<Account | null> {
  const attempts = await attemptsOn(ctx, userId, signInRules);
  const counted = await countAttempts(ctx, ...attempts);
  let account: Account | null;
  try {
    account = await prove();
  } catch (error) {
    await uncountAttempts(ctx, ...counted).catch(() => undefined); // Nobody learned anything from it
    throw error;
  }
  if (account === null) return null;
  const isSource = ({ rule }: Attempt): boolean => rule === signInRules.source;
  await uncountAttempts(ctx, ...counted.filter(isSource));
  await forgiveAttempts(ctx, ...attempts.filter((attempt) => !isSource(attempt)));
  return account;
}
