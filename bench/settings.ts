import { type Size, sizeOf } from "./world.ts";

/** What `npm run bench` was told. */
export interface Settings {
  readonly size: Size;
  /** How long one cell is measured. */
  readonly seconds: number;
  /** How many times the peers take turns; figures are medians over them. */
  readonly rounds: number;
  readonly subscribers: number;
  /** Where a CPU profile of our server under the inbox load shall go; null for none. */
  readonly profileFolder: string | null;
}

/** Reads BENCH_MESSAGES, BENCH_SECONDS, BENCH_ROUNDS, BENCH_SUBSCRIBERS and BENCH_PROFILE. */
export function readSettings(env: NodeJS.ProcessEnv): Settings {
  const number = (name: string, otherwise: number, least: number): number => {
    const value = Number(env[name] ?? otherwise);
    if (!(value >= least)) throw new Error(`${name} must be a number from ${least}, not "${env[name]}"`);
    return value;
  };
  const size = sizeOf(Math.round(number("BENCH_MESSAGES", 1_000_000, 20_000)));
  return {
    size,
    seconds: number("BENCH_SECONDS", 3, 0.2),
    rounds: Math.round(number("BENCH_ROUNDS", 5, 1)),
    subscribers: Math.min(Math.round(number("BENCH_SUBSCRIBERS", 2000, 100)), size.mailboxes),
    profileFolder: env["BENCH_PROFILE"] ?? null,
  };
}
