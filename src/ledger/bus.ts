import { randomUUID } from "node:crypto";
import { Client, type Pool } from "pg";
import type { Logger } from "pino";
import { columnTypes, statement } from "../db/database.ts";

/** What can be listened to: a mailbox that moved, the end of a session, the making of an export, or a sandbox's clock. */
export type Topic = `mailbox:${string}` | `session:${string}` | `export:${string}` | "clock";

export const topicOfMailbox = (mailboxId: string): Topic => `mailbox:${mailboxId}`;
export const topicOfSession = (sessionId: string): Topic => `session:${sessionId}`;
export const topicOfExport = (exportId: string): Topic => `export:${exportId}`;

const CHANNEL = "bus";
const COALESCE_MS = 5;
const RECHECK_MS = 2000;
const TOPICS_PER_SIGNAL = 150; // A NOTIFY payload holds at most 8,000 bytes.

/**
 * Says "this moved" to whoever listens, in this process at once and in the others by NOTIFY. Only a hint: the database
 * is the truth, so a lost or doubled signal costs latency and never a message. Signals go out after the commit, many in
 * one statement, since NOTIFY inside a transaction serialises all commits. What a lost connection or a killed process
 * failed to say is found by asking, every two seconds, which of the mailboxes listened to have moved.
 */
export class Bus {
  readonly #node = randomUUID();
  readonly #listeners = new Map<string, Set<() => void>>();
  readonly #sequences = new Map<string, number>();
  readonly #waiting = new Set<Topic>();
  #flushing: NodeJS.Timeout | null = null;
  #rechecking: NodeJS.Timeout | null = null;
  #client: Client | null = null;
  #closed = false;

  constructor(
    private readonly pool: Pool,
    private readonly connectionString: string,
    private readonly log: Logger,
  ) {}

  /** Begins to hear other processes. */
  async open(): Promise<void> {
    await this.#connect();
    this.#rechecking = setTimeout(() => void this.#recheck(), RECHECK_MS);
  }

  /** Calls back whenever the topic is signalled, until the returned function is called. */
  listen(topic: Topic, wake: () => void): () => void {
    const listeners = this.#listeners.get(topic) ?? new Set();
    this.#listeners.set(topic, listeners.add(wake));
    return () => {
      listeners.delete(wake);
      if (listeners.size > 0 || this.#listeners.get(topic) !== listeners) return;
      this.#listeners.delete(topic);
      this.#sequences.delete(topic);
    };
  }

  /** Tells everybody that these topics moved. Call it after the commit only. */
  signal(topics: Iterable<Topic>): void {
    for (const topic of topics) {
      this.#wake(topic);
      this.#waiting.add(topic);
    }
    if (this.#waiting.size > 0 && this.#flushing === null) this.#flushing = setTimeout(() => void this.#flush(), COALESCE_MS);
  }

  /** Sends what is waiting and stops. */
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#rechecking) clearTimeout(this.#rechecking);
    if (this.#flushing) clearTimeout(this.#flushing);
    await this.#flush();
    await this.#client?.end().catch(() => undefined);
  }

  #wake(topic: string): void {
    for (const wake of this.#listeners.get(topic) ?? []) wake();
  }

  async #flush(): Promise<void> {
    this.#flushing = null;
    const topics = [...this.#waiting];
    this.#waiting.clear();
    if (topics.length === 0) return;
    const payloads: string[] = [];
    for (let n = 0; n < topics.length; n += TOPICS_PER_SIGNAL) payloads.push(`${this.#node} ${topics.slice(n, n + TOPICS_PER_SIGNAL).join(" ")}`);
    try {
      await this.pool.query({ ...notify, values: [payloads] });
    } catch (error) {
      this.log.warn({ err: error }, "the bus could not signal; other processes will notice by asking");
    }
  }

  async #connect(): Promise<void> {
    const client = new Client({
      connectionString: this.connectionString,
      keepAlive: true,
      connectionTimeoutMillis: 3000,
      types: columnTypes,
      application_name: "secure-mailbox bus",
    });
    client.on("notification", ({ payload }) => {
      const [node, ...topics] = payload?.split(" ") ?? [];
      if (node !== this.#node) for (const topic of topics) this.#wake(topic);
    });
    const lost = (): void => {
      if (this.#client === client) this.#client = null;
    };
    client.on("error", lost);
    client.on("end", lost);
    await client.connect();
    await client.query(`listen ${CHANNEL}`);
    this.#client = client;
  }

  async #recheck(): Promise<void> {
    try {
      if (this.#client === null) await this.#connect();
      const ids = [...this.#listeners.keys()].filter((topic) => topic.startsWith("mailbox:")).map((topic) => topic.slice("mailbox:".length));
      if (ids.length > 0) {
        const { rows } = await this.pool.query<{ id: string; last_sequence: number }>({ ...lastSequences, values: [ids] });
        for (const { id, last_sequence } of rows) {
          const topic = topicOfMailbox(id);
          if (this.#sequences.get(topic) !== last_sequence && this.#listeners.has(topic)) this.#wake(topic);
          this.#sequences.set(topic, last_sequence);
        }
      }
    } catch (error) {
      this.log.warn({ err: error }, "the bus cannot reach the database");
    }
    if (!this.#closed) this.#rechecking = setTimeout(() => void this.#recheck(), RECHECK_MS);
  }
}

const notify = statement("bus-notify", `select pg_notify('${CHANNEL}', payload) from unnest($1::text[]) as payload`);
const lastSequences = statement<{ id: string; last_sequence: number }>(
  "bus-last-sequences",
  "select id, last_sequence from mailboxes where id = any ($1::uuid[])",
);
