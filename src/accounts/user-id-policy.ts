import { ProblemCode, refuse } from "../problem.ts";

/** ASCII only, so that no letter looks like another; checked before it is folded, since folding makes ASCII of some that are not. */
const USER_ID = /^[a-z0-9][a-z0-9._@+-]{2,63}$/i;

/**
 * The user ID that somebody chose, in lower case. One with an `@` must be the address itself, or whoever asks for a reset by
 * their address could meet somebody else's account.
 */
export function parseUserId(written: string, address: string): string {
  const userId = written.trim();
  if (!USER_ID.test(userId))
    refuse(ProblemCode.INVALID_INPUT, "Choose a user ID of 3 to 64 letters a to z, digits and . _ - @ +, beginning with a letter or digit.", {
      field: "userId",
    });
  const folded = userId.toLowerCase();
  if (folded.includes("@") && folded !== address) refuse(ProblemCode.INVALID_INPUT, "A user ID with an @ must be your own address.", { field: "userId" });
  return folded;
}
