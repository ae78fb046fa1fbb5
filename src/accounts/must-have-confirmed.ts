import type { ViewerCtx } from "../context.ts";
import { notFound, ProblemCode, refuse } from "../problem.ts";
import { type Account, accountByKey } from "./account.ts";
import { verifyPassword } from "./password.ts";
import { countAttempts, forgiveAttempts } from "./throttle.ts";

/** Lets on only who proves again that they are the viewer, by their password, and returns their account. Wrong ones are counted. */
export async function mustHaveConfirmed(ctx: ViewerCtx, password: string, field: string): Promise<Account> {
  const { accountId } = ctx.viewer;
  const attempt = { rule: "confirm/account", key: accountId } as const;
  await countAttempts(ctx, attempt);
  const account = (await accountByKey.load(ctx, accountId)) ?? notFound();
  if (!(await verifyPassword(account.passwordHash, password)))
    refuse(ProblemCode.INVALID_CREDENTIALS, "This is not your password. Type the one that you sign in with.", { field });
  await forgiveAttempts(ctx, attempt);
  return account;
}
