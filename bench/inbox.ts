import { print } from "graphql";
import { InboxDocument, type InboxQuery } from "../operations/generated/operations.ts";
import type { commands as BareServer } from "./bare-server.ts";
import { Child } from "./child.ts";
import type { Database } from "./database.ts";
import type { commands as LoadGenerator, Request } from "./load.ts";
import type { commands as OurServer } from "./our-server.ts";
import { median, shown, table } from "./report.ts";
import type { Settings } from "./settings.ts";
import { heldByClerk, mailboxId, tokenOf } from "./world.ts";

const FIRST = 25;

/** What one server did in one cell; CPU in µs per request. */
interface Cell {
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
  readonly serverCpu: number;
  readonly databaseCpu: number | null;
}

/** Reads inbox pages of random mailboxes from our server and from a bare handler, in turns, and tells how they compare. */
export async function measureInbox(database: Database, { size, seconds, rounds, profileFolder }: Settings): Promise<string> {
  const ours = new Child<typeof OurServer>("our-server.ts", profileFolder === null ? [] : ["--cpu-prof", `--cpu-prof-dir=${profileFolder}`]);
  const bare = new Child<typeof BareServer>("bare-server.ts");
  const generator = new Child<typeof LoadGenerator>("load.ts");
  try {
    const clerks = heldByClerk(size).map((n) => pageOf(n, size.mailboxes));
    const owners = Array.from({ length: size.mailboxes }, (_, n) => pageOf(n, n));
    const servers = [
      { name: "ours", child: ours, port: await ours.call("start", database.server) },
      { name: "bare", child: bare, port: await bare.call("start", database.server) },
    ];
    await mustAnswerAlike(
      servers.map(({ port }) => port),
      [...clerks.slice(0, 10), ...owners.slice(0, 10)],
    );
    const run = (port: number, connections: number, requests: Request[], seconds: number) =>
      generator.call("run", { port, connections, seconds, requests, expected: '{"data":{"mailbox":{' });
    for (const { port } of servers) await run(port, 16, clerks, Math.min(4, 2 * seconds));

    const measure = async ({ child, port }: (typeof servers)[number], connections: number, requests: Request[]): Promise<Cell> => {
      await run(port, connections, requests, seconds / 10);
      const cpuBefore = await Promise.all([child.call("cpu"), database.cpu()]);
      const { count, perSecond, p50, p99 } = await run(port, connections, requests, seconds);
      const cpuAfter = await Promise.all([child.call("cpu"), database.cpu()]);
      const databaseCpu = cpuAfter[1] === null || cpuBefore[1] === null ? null : (cpuAfter[1] - cpuBefore[1]) / count;
      return { perSecond, p50, p99, serverCpu: (cpuAfter[0] - cpuBefore[0]) / count, databaseCpu };
    };
    const scenes = [
      { name: "1, one session", connections: 1, requests: clerks },
      { name: "16, one session", connections: 16, requests: clerks },
      { name: "64, one session", connections: 64, requests: clerks },
      { name: "16, a session each", connections: 16, requests: owners },
    ];
    const lines: string[][] = [];
    for (const { name, connections, requests } of scenes) {
      const cells = new Map<string, Cell[]>(servers.map((server) => [server.name, []]));
      for (let round = 0; round < rounds; round += 1) {
        for (const server of round % 2 === 0 ? servers : servers.toReversed()) cells.get(server.name)?.push(await measure(server, connections, requests));
      }
      lines.push(...linesOf(name, cells.get("ours") ?? [], cells.get("bare") ?? []));
    }
    return table(["connections", "server", "requests/s", "p50 ms", "p99 ms", "server CPU µs", "PostgreSQL CPU µs", "both µs"], lines);
  } finally {
    await Promise.all([ours.end(), bare.end(), generator.end()]);
  }
}

const query = print(InboxDocument);

/** The request for the n-th mailbox's page, by somebody who holds it. */
export function pageOf(n: number, account: number): Request {
  return { token: tokenOf(account), body: JSON.stringify({ query, variables: { mailboxId: mailboxId(n), first: FIRST } }) };
}

interface InboxAnswer {
  readonly data?: InboxQuery;
}

/** Both servers must give the same bytes, or the comparison means nothing. */
async function mustAnswerAlike(ports: number[], requests: Request[]): Promise<void> {
  for (const { token, body } of requests) {
    const answers = await Promise.all(
      ports.map(async (port) => {
        const headers = { "content-type": "application/json", authorization: `Bearer ${token}` };
        return (await fetch(`http://127.0.0.1:${port}/graphql`, { method: "POST", headers, body })).text();
      }),
    );
    const [ours = "", bare = ""] = answers;
    const page: InboxAnswer = JSON.parse(ours);
    if (page.data?.mailbox?.messages.edges.length !== FIRST) throw new Error(`A page has not ${FIRST} messages: ${ours.slice(0, 500)}`);
    const same = [...ours].findIndex((character, n) => character !== bare[n]);
    if (ours !== bare) throw new Error(`The two servers answer differently:\n${[ours, bare].map((json) => json.slice(same - 50, same + 50)).join("\n")}`);
  }
}

function linesOf(scene: string, ours: readonly Cell[], bare: readonly Cell[]): string[][] {
  const both = ({ serverCpu, databaseCpu }: Cell): number => (databaseCpu === null ? NaN : serverCpu + databaseCpu);
  const columns: ((cell: Cell) => number)[] = [
    ({ perSecond }) => perSecond,
    ({ p50 }) => p50,
    ({ p99 }) => p99,
    ({ serverCpu }) => serverCpu,
    ({ databaseCpu }) => databaseCpu ?? NaN,
    both,
  ];
  const line = (name: string, figures: (column: (cell: Cell) => number) => number, unit = ""): string[] => [
    scene,
    name,
    ...columns.map((column) => shown(figures(column), unit)),
  ];
  return [
    line("ours", (column) => median(ours.map(column))),
    line("bare", (column) => median(bare.map(column))),
    line("ours / bare", (column) => median(ours.map((cell, n) => column(cell) / (bare[n] ? column(bare[n]) : NaN))), " ×"),
  ];
}
