import type { Config } from "../config.ts";
import type { Viewer } from "../context.ts";
import { isEmployeeAddress } from "../mailboxes/address.ts";
import type { HolderRole } from "../mailboxes/mailbox-holder.ts";
import { whyNotWrite } from "../mailboxes/mailbox-policy.ts";
import { Problem, ProblemCode, Refusal, refuse, withinLimit } from "../problem.ts";
import type { Copy } from "./copy.ts";

/** Why a message cannot be answered; null if nothing stands against it. `canReply` and `replyToMessage` both ask here. */
export function whyNotReply(copy: Pick<Copy, "openedAt" | "fromMailboxId" | "mailboxId">, role: HolderRole): Problem | null {
  if (copy.fromMailboxId === copy.mailboxId) {
    return new Problem(ProblemCode.OWN_MESSAGE, "You sent this message yourself. Write a new message or forward this one.");
  }
  if (copy.openedAt === null) return new Problem(ProblemCode.MESSAGE_NOT_OPENED, "Open the message first, then reply.");
  return whyNotWrite(role);
}

/** Why a message cannot be passed on; null if nothing stands against it. `canForward` and `forwardMessage` both ask here. */
export function whyNotForward(role: HolderRole): Problem | null {
  return whyNotWrite(role);
}

/** Why a copy cannot be deleted for good; null if nothing stands against it. */
export function whyNotDelete({ heldUntil }: Pick<Copy, "heldUntil">, now: Date, organisation: Config["organisation"]): Problem | null {
  if (heldUntil === null || heldUntil <= now) return null;
  const day = heldUntil.toISOString().slice(0, 10);
  return new Problem(
    ProblemCode.MESSAGE_HELD,
    `${organisation.name} has placed a hold on this message until ${day}. Move it to the trash, or ask them to lift the hold.`,
  );
}

/** Refuses with the problem that a policy found. */
export function mustHold(problem: Problem | null): void {
  if (problem) throw new Refusal(problem);
}

/** External people write to employees and teams only; employees to anyone. One bad recipient stops the whole message. */
export function mustReach(viewer: Viewer, addresses: readonly string[], organisation: Config["organisation"], field: string): void {
  if (viewer.isEmployee) return;
  const outside = addresses.filter((address) => !isEmployeeAddress(address, organisation));
  if (outside.length === 0) return;
  const verb = outside.length === 1 ? "is not an employee" : "are not employees";
  refuse(ProblemCode.RECIPIENT_NOT_EMPLOYEE, `${outside.join(", ")} ${verb} of ${organisation.name}. Nothing was sent. Remove them or choose an employee.`, {
    field,
    addresses: outside,
  });
}

/** Refuses a message to nobody or to too many. */
export function mustHaveRecipients(count: number, limit: number): void {
  if (count === 0) refuse(ProblemCode.INVALID_INPUT, "Name at least one recipient.", { field: "to" });
  withinLimit(count, limit, "to", "Recipients of one message");
}
