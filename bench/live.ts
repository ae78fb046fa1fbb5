import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { print } from "graphql";
import {
  MailboxChangedDocument,
  SendMessageDocument,
  type SendMessageMutation,
  type SendMessageMutationVariables,
} from "../operations/generated/operations.ts";
import { feedCursor } from "../src/mailboxes/mailbox.ts";
import { Child } from "./child.ts";
import { type Database, withClient } from "./database.ts";
import type { commands as OurServer } from "./our-server.ts";
import { chance } from "./prose.ts";
import { quantile, shown, table } from "./report.ts";
import type { Settings } from "./settings.ts";
import type { commands as Subscribers } from "./subscribers.ts";
import { addressOf, mailboxId, mailboxKey, type Size, tokenOf } from "./world.ts";

const RECIPIENTS = 100;
const BROADCASTS = 20;

/** Subscribes one socket to each of many mailboxes of one server process, and measures memory and delays. */
export async function measureLive(database: Database, { size, seconds, subscribers: wanted }: Settings): Promise<string> {
  const count = Math.min(wanted, (await maxOpenFiles()) - 500);
  const server = new Child<typeof OurServer>("our-server.ts", ["--expose-gc"]);
  const subscribers = new Child<typeof Subscribers>("subscribers.ts");
  try {
    const port = await server.call("start", database.server);
    const send = sender(port, size);
    await send("warm-up", [addressOf(size.mailboxes)]);
    const empty = await server.call("memory");

    const cursors = await lastButOne(database.url, count);
    const query = print(MailboxChangedDocument);
    const connecting = performance.now();
    await subscribers.call("connect", {
      port,
      query,
      subscribers: cursors.map((after, n) => ({ token: tokenOf(n), mailboxId: mailboxId(n), after })),
    });
    const connected = performance.now() - connecting;
    await sleep(2500); // each mailbox listened to is asked about once; then it is quiet
    const full = await server.call("memory");
    const idleBefore = await Promise.all([server.call("cpu"), database.cpu()]);
    await sleep(6000);
    const idleAfter = await Promise.all([server.call("cpu"), database.cpu()]);

    const single: number[] = [];
    const random = chance(2);
    for (const ends = performance.now() + 4 * seconds * 1000; performance.now() < ends;) {
      single.push(...(await delays(`single ${single.length}`, [random(count)])));
      await sleep(10);
    }
    const toMany: number[] = [];
    const last: number[] = [];
    const broadcastBefore = await server.call("cpu");
    for (let n = 0; n < BROADCASTS; n += 1) {
      const start = random(count);
      const all = await delays(
        `to many ${n}`,
        Array.from({ length: Math.min(RECIPIENTS, count) }, (_, step) => (start + step * 17) % count),
      );
      toMany.push(...all);
      last.push(Math.max(...all));
      await sleep(50);
    }
    const broadcastCpu = (await server.call("cpu")) - broadcastBefore;

    const kilobytes = (bytes: number): string => shown(bytes / count / 1024, " KB");
    return table(
      ["what", `${count.toLocaleString("en")} subscribers`],
      [
        ["memory of the process per subscriber (resident)", kilobytes(full.rss - empty.rss)],
        ["memory per subscriber (JavaScript heap and buffers)", kilobytes(full.heap - empty.heap)],
        ["subscriptions opened per second", shown(count / (connected / 1000))],
        ["CPU of the server while nothing happens", shown((idleAfter[0] - idleBefore[0]) / 60_000, " %")],
        ["CPU of PostgreSQL while nothing happens", shown(((idleAfter[1] ?? NaN) - (idleBefore[1] ?? NaN)) / 60_000, " %")],
        [`single messages (${single.length}): commit to client, p50`, shown(quantile(single, 0.5), " ms")],
        ["the same, p99", shown(quantile(single, 0.99), " ms")],
        [`one message to ${RECIPIENTS} mailboxes (${BROADCASTS} times): commit to client, p50`, shown(quantile(toMany, 0.5), " ms")],
        ["the same, p99", shown(quantile(toMany, 0.99), " ms")],
        ["the same, until the last has it, median", shown(quantile(last, 0.5), " ms")],
        ["the same, CPU of the server per delivery, its sending included", shown(broadcastCpu / toMany.length, " µs")],
      ],
    );

    /** Sends one message and tells how long after its commit each receiver has it, in ms. */
    async function delays(subject: string, receivers: number[]): Promise<number[]> {
      const arrivals = subscribers.call("arrivals", { subject, count: receivers.length });
      await send(subject, receivers.map(addressOf));
      const commit = await server.call("lastCommit");
      return (await arrivals).map((at) => at - commit);
    }
  } finally {
    await Promise.all([subscribers.end(), server.end()]);
  }
}

function sender(port: number, size: Size): (subject: string, to: string[]) => Promise<void> {
  const query = print(SendMessageDocument);
  const headers = { "content-type": "application/json", authorization: `Bearer ${tokenOf(size.mailboxes)}` };
  return async (subject, to) => {
    const input: SendMessageMutationVariables["input"] = {
      mailboxId: mailboxId(size.mailboxes),
      to,
      subject,
      body: { text: "Good news." },
      idempotencyKey: crypto.randomUUID(),
    };
    const response = await fetch(`http://127.0.0.1:${port}/graphql`, { method: "POST", headers, body: JSON.stringify({ query, variables: { input } }) });
    const { data } = (await response.json()) as { data?: SendMessageMutation };
    if (!data || !("message" in data.sendMessage) || typeof data.sendMessage.message === "string")
      throw new Error(`A message was not sent: ${JSON.stringify(data)}`);
  };
}

/** For each of the first mailboxes the cursor before its last event, so that a subscriber has one to catch up on. */
async function lastButOne(url: string, count: number): Promise<string[]> {
  const keys = Array.from({ length: count }, (_, n) => mailboxKey(n));
  const { rows } = await withClient(url, (client) =>
    client.query<{ sequence: number }>(
      `select (m.last_sequence - 1)::int as sequence from unnest($1::uuid[]) with ordinality as k (id, n) join mailboxes m using (id) order by k.n`,
      [keys],
    ),
  );
  return rows.map(({ sequence }) => feedCursor(sequence));
}

/** How many files and sockets a process may open. */
async function maxOpenFiles(): Promise<number> {
  const limits = await readFile("/proc/self/limits", "utf8").catch(() => "");
  return Number(/^Max open files +(\d+)/m.exec(limits)?.[1] ?? 10_240);
}
