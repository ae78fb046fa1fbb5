import { verifySync } from "otplib";
import { SECOND } from "../clock.ts";

const PERIOD_SECONDS = 30;

/** The step of 30 seconds whose code this is (RFC 6238), of the present one and its neighbours, later than `usedStep`; null if none. */
export function stepOfCode(secret: string, code: string, now: Date, usedStep: number | null): number | null {
  const token = code.replace(/\s/g, "");
  if (!/^\d{6}$/.test(token)) return null;
  const result = verifySync({
    secret,
    token,
    epoch: Math.floor(now.getTime() / SECOND),
    epochTolerance: PERIOD_SECONDS,
    period: PERIOD_SECONDS,
    digits: 6,
    ...(usedStep !== null && { afterTimeStep: usedStep }),
  });
  return result.valid && "timeStep" in result ? result.timeStep : null;
}
