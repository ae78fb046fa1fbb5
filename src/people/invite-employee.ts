import { type Account, AccountKind, accountByKey } from "../accounts/account.ts";
import { type Ctx, inTransaction, type ViewerCtx } from "../context.ts";
import { isEmployeeAddress, parseAddress } from "../mailboxes/address.ts";
import { Language } from "../mailer/language.ts";
import { notFound, ProblemCode, refuse } from "../problem.ts";
import { addEmployees, type Invited, mailInvitation, type NewEmployee, takenAddresses } from "./add-employees.ts";
import { MAX_NAME_LENGTH, parseDisplayName } from "./people-policy.ts";

/** Whom to invite, as it was typed. */
export interface InviteEmployee {
  readonly address: string;
  readonly displayName: string;
  readonly kind?: AccountKind | null;
  readonly language?: Language | null;
}

/** Makes an account for a new colleague and sends the link by which they choose user ID and password. */
export async function inviteEmployee(ctx: ViewerCtx, input: InviteEmployee): Promise<Account> {
  const employee = mustBeEmployee(ctx, input);
  const { accountId } = await inTransaction(ctx, async (ctx) => {
    const invited = await addEmployee(ctx, employee);
    await mailInvitation(ctx, { ...employee, token: invited.token });
    return invited;
  });
  return (await accountByKey.load(ctx, accountId)) ?? notFound();
}

/** Makes one account, in the caller's transaction; refuses an address that belongs to somebody. */
export async function addEmployee(ctx: Ctx, employee: NewEmployee): Promise<Invited> {
  const [taken] = await takenAddresses(ctx, [employee.address]);
  const [invited] = taken ? [] : await addEmployees(ctx, [employee]);
  return invited ?? refuse(ProblemCode.ADDRESS_TAKEN, "This address belongs to an account or a team already.", { field: "address" });
}

/** What was typed, checked: one of our own domains, a name that can be shown, and an employee's kind. */
export function mustBeEmployee({ config }: Ctx, { address: written, displayName: text, kind, language }: InviteEmployee): NewEmployee {
  const address = parseAddress(written);
  if (address === null)
    refuse(ProblemCode.INVALID_ADDRESS, "This address cannot receive mail as written. Write it like name@domain.example.", { field: "address" });
  if (!isEmployeeAddress(address, config.organisation))
    refuse(ProblemCode.INVALID_INPUT, "Employees have an address at one of the organisation's own domains.", { field: "address" });
  return { address, displayName: mustBeDisplayName(text), kind: mustBeEmployeeKind(kind ?? AccountKind.EMPLOYEE), language: language ?? Language.EN };
}

/** A display name as it is kept; refuses one that cannot be shown. */
export function mustBeDisplayName(text: string): string {
  return (
    parseDisplayName(text) ??
    refuse(ProblemCode.INVALID_INPUT, `A name has one line of at most ${MAX_NAME_LENGTH} characters, and does not begin with = + - or @.`, {
      field: "displayName",
    })
  );
}

function mustBeEmployeeKind(kind: AccountKind): AccountKind {
  if (kind === AccountKind.EMPLOYEE || kind === AccountKind.ADMINISTRATOR) return kind;
  refuse(ProblemCode.INVALID_INPUT, "Only employees and administrators are invited. Others enrol from a notice.", { field: "kind" });
}
