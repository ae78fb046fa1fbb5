import { mustHaveConfirmed } from "../accounts/must-have-confirmed.ts";
import { countAttempts } from "../accounts/throttle.ts";
import { requestCode } from "../accounts/validation.ts";
import { mustBeConfirmed, type ViewerCtx } from "../context.ts";
import { parseAddress } from "../mailboxes/address.ts";
import { ProblemCode, refuse } from "../problem.ts";
import { mustBeExternal } from "./address-owner.ts";
import { mustBeExternalPerson } from "./external-person.ts";

/** Asks for a code at the address that shall be the viewer's. Whether it belongs to somebody is not said before it is proved. */
export async function requestAddressChange(ctx: ViewerCtx, input: { address: string; password: string }): Promise<Date> {
  mustBeExternalPerson(ctx);
  const { accountId } = ctx.viewer;
  await countAttempts(ctx, { rule: "address/account", key: accountId });
  const address = parseAddress(input.address);
  if (address === null)
    refuse(ProblemCode.INVALID_ADDRESS, "This address cannot receive mail as written. Write it like name@domain.example.", { field: "address" });
  mustBeExternal(ctx, address, "address");
  await mustBeConfirmed(ctx);
  await mustHaveConfirmed(ctx, input.password, "password");
  return requestCode(ctx, { purpose: "CHANGE_ADDRESS", asker: accountId, address, accountId });
}
