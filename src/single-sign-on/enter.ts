import { SignInMethod } from "../accounts/session.ts";
import { startSession } from "../accounts/start-session.ts";
import type { OidcSettings, SamlSettings } from "../config.ts";
import { type Ctx, inTransaction } from "../context.ts";
import { record } from "../ledger/record.ts";
import { ProblemCode, refuse } from "../problem.ts";
import { admitEmployee, EntryRefused, shutOut } from "./admit-employee.ts";
import { keepProviderSession, type ProviderSession } from "./provider-session.ts";
import type { Claims } from "./single-sign-on-policy.ts";

/** Starts a session for whoever the provider vouches for. Refuses with FORBIDDEN; the ledger says why. */
export async function enter(ctx: Ctx, settings: OidcSettings | SamlSettings, claims: Claims, session: Omit<ProviderSession, "issuer">): Promise<void> {
  try {
    await inTransaction(ctx, async (ctx) => {
      const { account, identityId } = await admitEmployee(ctx, settings, claims);
      const { sessionId } = await startSession(ctx, account, SignInMethod.SINGLE_SIGN_ON);
      await keepProviderSession(ctx, sessionId, identityId, { issuer: claims.issuer, ...session });
    });
  } catch (error) {
    if (!(error instanceof EntryRefused)) throw error;
    await inTransaction(ctx, async (ctx) => {
      if (error.reason === "NOT_IN_GROUP") await shutOut(ctx, claims, settings);
      await record(ctx, { action: "sign-in.refused", actorId: null, code: error.reason });
    });
    refuse(ProblemCode.FORBIDDEN, "Your organisation's sign-in does not open this mailbox. Ask your administrator.");
  }
}
