import { randomBytes } from "node:crypto";
import { after, MINUTE } from "../clock.ts";
import type { Ctx } from "../context.ts";
import { statement } from "../db/database.ts";
import { newId } from "../ids.ts";
import { ProblemCode, refuse } from "../problem.ts";

const CHALLENGE_MINUTES = 5;
const CHALLENGE_BYTES = 32;
const UUID_FORM = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** What a challenge may be signed for. One for a registration belongs to an account; one for signing in to nobody yet. */
export type ChallengePurpose = { readonly purpose: "REGISTRATION"; readonly accountId: string } | { readonly purpose: "SIGN_IN"; readonly accountId: null };

/** A challenge that waits for its answer. */
export interface Challenge {
  readonly id: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** Makes a challenge: it can be answered once, for this purpose, within five minutes. */
export async function beginChallenge(ctx: Ctx, { purpose, accountId }: ChallengePurpose): Promise<Challenge> {
  const now = ctx.clock.now();
  const id = newId(now);
  const bytes = new Uint8Array(randomBytes(CHALLENGE_BYTES));
  await ctx.db.run(keepChallenge, [id, purpose, accountId, Buffer.from(bytes), after(now, CHALLENGE_MINUTES * MINUTE)]);
  return { id, bytes };
}

/** Takes a challenge, in base64url, whatever becomes of its answer; refuses one that is not there for this purpose. */
export async function takeChallenge(ctx: Ctx, id: string, { purpose, accountId }: ChallengePurpose): Promise<string> {
  const [taken] = UUID_FORM.test(id) ? await ctx.db.run(dropChallenge, [id, purpose, accountId, ctx.clock.now()]) : [];
  return (
    taken?.challenge.toString("base64url") ??
    refuse(ProblemCode.INVALID_INPUT, "This challenge is unknown, was used or is older than five minutes. Begin again.", { field: "challengeId" })
  );
}

const keepChallenge = statement(
  "challenge-keep",
  "insert into passkey_challenges (id, purpose, account_id, challenge, expires_at) values ($1, $2, $3, $4, $5)",
);

const dropChallenge = statement<{ challenge: Buffer }>(
  "challenge-take",
  `delete from passkey_challenges where id = $1 and purpose = $2 and account_id is not distinct from $3::uuid and expires_at > $4 returning challenge`,
);
