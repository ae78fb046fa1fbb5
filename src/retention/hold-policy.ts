import type { Viewer } from "../context.ts";
import type { Limits } from "../limits.ts";
import { ProblemCode, refuse, withinLimit } from "../problem.ts";
import type { Hold } from "./hold.ts";

/** Refuses external people: holds are for staff. */
export function mustBeStaff(viewer: Viewer): void {
  if (!viewer.isEmployee) refuse(ProblemCode.FORBIDDEN, "Only employees may see, place and lift holds. Ask the one you write with.");
}

/** Whether the viewer may lift a hold and read its note: whoever placed it, and administrators. */
export function mayLift(viewer: Viewer, { placedById }: Pick<Hold, "placedById">): boolean {
  return viewer.isAdministrator || placedById === viewer.accountId;
}

/** Refuses a hold that ends in the past or too far ahead, and a note that is too long. */
export function mustBeReasonable({ until, note }: { until: Date; note: string | null }, now: Date, limits: Limits): void {
  const latest = new Date(now);
  latest.setUTCFullYear(now.getUTCFullYear() + limits.maxHoldYears);
  if (!(until > now)) refuse(ProblemCode.INVALID_INPUT, "A hold ends in the future. Choose a later instant.", { field: "until" });
  if (until > latest) {
    refuse(ProblemCode.LIMIT_EXCEEDED, `A hold lasts at most ${limits.maxHoldYears} years. Choose an earlier instant; it can be placed anew.`, {
      field: "until",
      limit: limits.maxHoldYears,
    });
  }
  withinLimit([...(note ?? "")].length, limits.maxNoteLength, "note", "Characters of a note");
}
