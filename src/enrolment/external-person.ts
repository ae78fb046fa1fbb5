import type { ViewerCtx } from "../context.ts";
import { ProblemCode, refuse } from "../problem.ts";

/** Lets on external people only: an employee's account, its addresses and its end are the organisation's matter. */
export function mustBeExternalPerson({ viewer }: ViewerCtx): void {
  if (viewer.isEmployee) refuse(ProblemCode.FORBIDDEN, "Your account belongs to the organisation. Ask an administrator.");
}
