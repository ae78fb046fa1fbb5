import { ProblemCode, refuse } from "../problem.ts";

const NAME_FORM = /^\P{Cc}{1,60}$/u;

/** What somebody calls a passkey, without spaces around it; refuses what is empty or too long. */
export function passkeyName(name: string): string {
  const trimmed = name.trim();
  return NAME_FORM.test(trimmed) ? trimmed : refuse(ProblemCode.INVALID_INPUT, "The name of a passkey has 1 to 60 characters.", { field: "name" });
}
