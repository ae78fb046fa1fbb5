import { type ClassType, createUnionType } from "type-graphql";
import type { Ctx } from "../context.ts";
import { isAway } from "../db/unavailable.ts";
import { record } from "../ledger/record.ts";
import { Problem, ProblemCode, Refusal } from "../problem.ts";

/** Declares `union XResult = XPayload | Problem` for a mutation. */
export function resultOf<T extends object>(name: string, payload: ClassType<T>) {
  return createUnionType({
    name: `${name}Result`,
    description: `What \`${name.charAt(0).toLowerCase()}${name.slice(1)}\` did, or why it did nothing.`,
    types: () => [payload, Problem] as const,
    resolveType: (value) => (value instanceof Problem ? Problem : payload),
  });
}

/** Refusals that say nothing about anybody, or are a step on everybody's way, and would only fill the ledger. */
const notRecorded = new Set([
  ProblemCode.THROTTLED,
  ProblemCode.UNAVAILABLE,
  ProblemCode.STORAGE_UNAVAILABLE,
  ProblemCode.SECOND_FACTOR_REQUIRED,
  ProblemCode.STEP_UP_REQUIRED,
]);

/** Runs a mutation; a refusal becomes data and is recorded, an absent database or keyring becomes UNAVAILABLE, a bug stays an error. */
export async function orProblem<T>(ctx: Ctx, work: () => Promise<T>): Promise<T | Problem> {
  try {
    return await work();
  } catch (error) {
    if (isAway(error)) return unavailable();
    if (!(error instanceof Refusal)) throw error;
    const { problem } = error;
    if (!notRecorded.has(problem.code)) {
      try {
        await record(ctx, { action: "request.refused", code: problem.code });
      } catch (failure) {
        if (isAway(failure)) return unavailable();
        throw failure;
      }
    }
    return problem;
  }
}

/** The answer while PostgreSQL or the keyring is away. */
export function unavailable(): Problem {
  return new Problem(ProblemCode.UNAVAILABLE, "The service cannot reach its database or its keys for now. Nothing was changed; try again shortly.", {
    retryAfter: 5,
  });
}
