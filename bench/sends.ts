import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { print } from "graphql";
import { after } from "../src/clock.ts";
import { SendMessageDocument, type SendMessageMutationVariables } from "../operations/generated/operations.ts";
import { Child } from "./child.ts";
import type { Database } from "./database.ts";
import { type commands as LoadGenerator, UNIQUE } from "./load.ts";
import type { commands as OurServer } from "./our-server.ts";
import type { commands as PgRunner } from "./pg-runner.ts";
import { chance, prose } from "./prose.ts";
import { median, shown, table } from "./report.ts";
import { openDataKeys } from "./keys.ts";
import { pgbenchScript, writesOfSend } from "./send-script.ts";
import type { Settings } from "./settings.ts";
import { addressOf, heldByClerk, mailboxId, tokenOf } from "./world.ts";

const CONNECTIONS = 16;
const POOL = 4;
const REQUESTS = 1000;

/** What one way of sending did in one round; CPU in µs per send. */
interface Round {
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
  readonly serverCpu: number;
  readonly databaseCpu: number;
}

/** Sends messages to one recipient each through our API and, in turns, writes the same rows with pgbench. */
export async function measureSends(database: Database, { size, seconds, rounds }: Settings): Promise<string> {
  const ours = new Child<typeof OurServer>("our-server.ts");
  const generator = new Child<typeof LoadGenerator>("load.ts");
  const folder = await mkdtemp(path.join(tmpdir(), "secure-mailbox-bench-"));
  const runner = (await hasPgbench()) ? null : new Child<typeof PgRunner>("pg-runner.ts");
  try {
    const port = await ours.call("start", database.server);
    const random = chance(1);
    const subject = prose(random, 5);
    const text = prose(random, 90);
    const senders = heldByClerk(size);
    const query = print(SendMessageDocument);
    const token = tokenOf(size.mailboxes);
    const requests = Array.from({ length: REQUESTS }, () => {
      const input: SendMessageMutationVariables["input"] = {
        mailboxId: mailboxId(senders[random(senders.length)] ?? 0),
        to: [addressOf(random(size.mailboxes))],
        subject,
        body: { text },
        idempotencyKey: UNIQUE,
      };
      return { token, body: JSON.stringify({ query, variables: { input } }) };
    });
    const sentAt = after(new Date(), database.server.clockOffset);
    const dataKeys = await openDataKeys(database.url, { now: () => sentAt });
    const writes = writesOfSend(size, sentAt, await dataKeys.ofDay(sentAt), subject, text);
    await dataKeys.close();
    const script = path.join(folder, "send.sql");
    await writeFile(script, pgbenchScript(size, writes));

    const sendOurs = async (seconds: number): Promise<Round> => {
      const before = await ours.call("cpu");
      const { used, result } = await timed(database, () =>
        generator.call("run", { port, connections: CONNECTIONS, seconds, requests, expected: '{"data":{"sendMessage":{"message":{' }),
      );
      const { count, perSecond, p50, p99 } = result;
      return { perSecond, p50, p99, serverCpu: ((await ours.call("cpu")) - before) / count, databaseCpu: used / count };
    };
    const sendBare = async (clients: number, seconds: number): Promise<Round> => {
      const { used, result } = await timed(database, () =>
        runner
          ? runner.call("run", { databaseUrl: database.url, size, clients, seconds, writes })
          : runPgbench(database.url, script, clients, Math.max(1, Math.round(seconds))),
      );
      return { perSecond: result.perSecond, p50: NaN, p99: NaN, serverCpu: NaN, databaseCpu: used / result.count };
    };
    const floor = runner ? "pg runner" : "pgbench";
    const ways = [
      { name: `ours, ${CONNECTIONS} connections`, send: (seconds: number) => sendOurs(seconds) },
      { name: `${floor}, ${CONNECTIONS} clients`, send: (seconds: number) => sendBare(CONNECTIONS, seconds) },
      { name: `${floor}, ${POOL} clients`, send: (seconds: number) => sendBare(POOL, seconds) },
    ];
    for (const { send } of ways) await send(Math.min(2, seconds));
    const done = ways.map((): Round[] => []);
    for (let round = 0; round < rounds; round += 1) {
      for (const [n, { send }] of ways.entries()) done[n]?.push(await send(seconds));
    }
    const [our = []] = done;
    const lines = ways.map(({ name }, n) => {
      const way = done[n] ?? [];
      const middle = (figure: (round: Round) => number): string => shown(median(way.map(figure)));
      const ratio = median(our.map(({ perSecond }, round) => perSecond / (way[round]?.perSecond ?? NaN)));
      return [
        name,
        middle(({ perSecond }) => perSecond),
        n === 0 ? "" : shown(ratio, " ×"),
        middle(({ p50 }) => p50),
        middle(({ p99 }) => p99),
        middle(({ serverCpu }) => serverCpu),
        middle(({ databaseCpu }) => databaseCpu),
      ];
    });
    const note = runner ? "\n\npgbench is not installed: the same transaction ran through `pg` in a process of its own instead, which costs more.\n" : "";
    return `${table(["way", "sends/s", "ours / it", "p50 ms", "p99 ms", "server CPU µs", "PostgreSQL CPU µs"], lines)}${note}`;
  } finally {
    await Promise.all([ours.end(), generator.end(), runner?.end(), rm(folder, { recursive: true, force: true })]);
  }
}

/** Runs work and tells what PostgreSQL used meanwhile, in µs. */
async function timed<T>(database: Database, work: () => Promise<T>): Promise<{ used: number; result: T }> {
  const before = await database.cpu();
  const result = await work();
  const after = await database.cpu();
  return { used: before === null || after === null ? NaN : after - before, result };
}

const run = promisify(execFile);

async function hasPgbench(): Promise<boolean> {
  return run("pgbench", ["--version"]).then(
    () => true,
    () => false,
  );
}

async function runPgbench(databaseUrl: string, script: string, clients: number, seconds: number): Promise<{ count: number; perSecond: number }> {
  const { hostname, port, username, password, pathname } = new URL(databaseUrl);
  const env = { ...process.env, PGHOST: hostname, PGPORT: port, PGUSER: username, PGPASSWORD: password, PGDATABASE: pathname.slice(1) };
  const { stdout } = await run("pgbench", ["-n", "-M", "prepared", "-c", String(clients), "-j", "1", "-T", String(seconds), "-f", script], { env });
  const figure = (line: RegExp): number => Number(line.exec(stdout)?.[1] ?? NaN);
  if (figure(/number of failed transactions: (\d+)/) > 0) throw new Error(`pgbench failed: ${stdout}`);
  return { count: figure(/actually processed: (\d+)/), perSecond: figure(/^tps = ([\d.]+)/m) };
}
