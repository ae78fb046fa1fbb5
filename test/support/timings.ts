/** Milliseconds that each of several requests took, sorted. */
export type Timings = Readonly<Record<string, readonly number[]>>;

/** Times several requests in turns, so that whatever else the machine does meets them alike; what has to be done before each is not timed. Some rounds first are not counted. */
export async function timedInTurns(
  requests: Readonly<Record<string, () => Promise<unknown>>>,
  rounds: number,
  before: () => Promise<unknown>,
): Promise<Timings> {
  const taken = Object.fromEntries(Object.keys(requests).map((name): [string, number[]] => [name, []]));
  for (let round = -5; round < rounds; round += 1) {
    for (const [name, request] of Object.entries(requests)) {
      await before();
      const start = performance.now();
      await request();
      if (round >= 0) taken[name]?.push(performance.now() - start);
    }
  }
  return Object.fromEntries(Object.entries(taken).map(([name, times]) => [name, times.toSorted((a, b) => a - b)]));
}

/** Prints what was measured, one line a request. */
export function printTimings(title: string, timings: Timings): void {
  const lines = Object.entries(timings).map(([name, times]) => {
    const parts = [0.05, 0.25, 0.5, 0.75, 0.95].map((part) => `${part * 100}%: ${quantile(times, part).toFixed(2)}`);
    return `  ${name.padEnd(20)} ${parts.join("  ")}  (ms, ${times.length} requests)`;
  });
  process.stdout.write(`${title}\n${lines.join("\n")}\n`);
}

/** How far the fastest and the slowest kind of request are apart, in milliseconds, at the fastest tenth, which a busy machine disturbs least. */
export function spread(timings: Timings): number {
  const typical = Object.values(timings).map((times) => quantile(times, 0.1));
  return Math.max(...typical) - Math.min(...typical);
}

function quantile(sorted: readonly number[], part: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? 0;
}
