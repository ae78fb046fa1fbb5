import { AccountKind } from "../accounts/account.ts";
import { parseUserId } from "../accounts/user-id-policy.ts";
import { type Ctx, inTransaction } from "../context.ts";
import { statement } from "../db/database.ts";
import { Language } from "../mailer/language.ts";
import { ProblemCode, refuse } from "../problem.ts";
import { isPending } from "./account-state.ts";
import { addEmployee, mustBeEmployee } from "./invite-employee.ts";

/** Makes the first administrator, for the operator; returns what the link carries. Refused while an administrator can sign in: they invite others. */
export async function createFirstAdministrator(
  ctx: Ctx,
  wanted: { userId: string; address: string; displayName: string; language?: Language },
): Promise<string> {
  const employee = mustBeEmployee(ctx, { ...wanted, kind: AccountKind.ADMINISTRATOR, language: wanted.language ?? Language.EN });
  const userId = parseUserId(wanted.userId, employee.address);
  return inTransaction(ctx, async (ctx) => {
    const [known] = await ctx.db.run(activeAdministrator);
    if (known !== undefined)
      refuse(
        ProblemCode.INVALID_INPUT,
        `There is an administrator already, ${known.userId}, who can invite others. If they are locked out: reset ${known.userId}`,
      );
    if ((await ctx.db.run(accountByUserId, [userId])).length > 0)
      refuse(ProblemCode.USER_ID_TAKEN, `There is an account ${userId} already. For a fresh link: reset ${userId}`);
    const { token } = await addEmployee(ctx, { ...employee, userId });
    return token;
  });
}

const activeAdministrator = statement<{ userId: string }>(
  "administrator-active",
  `select a.user_id as "userId" from accounts a where a.kind = 'ADMINISTRATOR' and a.disabled_at is null and a.password_hash is not null
     and not exists (select from invitations i where i.account_id = a.id and ${isPending}) order by a.id limit 1`,
);

const accountByUserId = statement<{ id: string }>("account-by-user-id", "select id from accounts where user_id = $1");
