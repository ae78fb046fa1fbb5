import { Problem, ProblemCode, Refusal } from "../problem.ts";
import { HolderRole } from "./mailbox-holder.ts";

/** Why a holder with this role cannot write from the mailbox or change it; null if nothing stands against it. */
export function whyNotWrite(role: HolderRole): Problem | null {
  if (role !== HolderRole.READER) return null;
  return new Problem(ProblemCode.MAILBOX_READ_ONLY, "You may read this mailbox but not write from it or change it. Ask its owner.");
}

/** Refuses whoever may only read the mailbox. */
export function mustWrite(role: HolderRole): void {
  const problem = whyNotWrite(role);
  if (problem) throw new Refusal(problem);
}
