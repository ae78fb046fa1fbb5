import { argon2id, hash, needsRehash, verify } from "argon2";
import { limitedTo } from "./limited.ts";

/** OWASP's minimum for argon2id: 19 MiB, two passes, one lane. About 35 ms each on one core. */
const parameters = { type: argon2id, memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const;
const MAX_PASSWORD_LENGTH = 1024;
/** Each takes a core and 19 MiB. */
const limited = limitedTo(2, 100);

/** Hashes a new password. */
export async function hashPassword(password: string): Promise<string> {
  return limited(() => hash(password, parameters));
}

/**
 * Checks a password. Without a hash (nobody has this user ID) it does the same work against a dummy and says no, so
 * that the time it takes tells nothing.
 */
export async function verifyPassword(passwordHash: string | null, password: string): Promise<boolean> {
  const matches = await limited(async () => verify(passwordHash ?? (await dummyHash), password.slice(0, MAX_PASSWORD_LENGTH)));
  return matches && passwordHash !== null && password.length <= MAX_PASSWORD_LENGTH;
}

/** True when a hash was made with weaker parameters than today's. */
export function isOutdated(passwordHash: string): boolean {
  return needsRehash(passwordHash, parameters);
}

/** Made at the start, so that the first unknown user ID takes no longer than the next. */
const dummyHash = hash("a password nobody has", parameters);
