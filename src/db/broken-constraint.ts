import { QueryFailedError } from "typeorm";

/** The constraint that a write through TypeORM would have broken; null for any other error. */
export function brokenConstraint(error: unknown): string | null {
  if (!(error instanceof QueryFailedError)) return null;
  const { constraint }: { constraint?: unknown } = error.driverError;
  return typeof constraint === "string" ? constraint : null;
}
