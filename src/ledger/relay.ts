import type { Logger } from "pino";
import type { DataSource } from "typeorm";
import { statement, withTransaction } from "../db/database.ts";
import type { Action } from "./event.ts";
import { coalescedJobs, type JobName, reactions } from "./reactions.ts";

const COALESCE_MS = 5;
const POLL_MS = 5000;
const BATCH = 1000;

/**
 * Moves outbox rows into the jobs that `reactions.ts` names: one bulk `add_jobs` and the deletion in one transaction,
 * so that each follow-up is queued exactly once; those that do all there is to do, once for all that wait for them. Kept out of the writer's own transaction because queueing a job
 * notifies, and that divides the sends a second by three. Polls for what a crash left behind.
 */
export class Relay {
  #timer: NodeJS.Timeout | null = null;
  #due = Infinity;
  #moving: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(
    private readonly dataSource: DataSource,
    private readonly log: Logger,
  ) {}

  /** Begins to poll. */
  open(): void {
    this.#schedule(0);
  }

  /** Says that a commit left outbox rows. */
  wake(): void {
    this.#schedule(COALESCE_MS);
  }

  /** Moves all that is there now; for tests and shut-down. */
  async drain(): Promise<void> {
    const drained = this.#moving.then(async () => {
      while ((await this.#move()) === BATCH);
    });
    this.#moving = drained.catch(() => undefined);
    await drained;
  }

  /** Stops, once what is under way has ended. */
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#timer) clearTimeout(this.#timer);
    await this.#moving;
  }

  #schedule(delay: number): void {
    const due = performance.now() + delay;
    if (this.#closed || due >= this.#due) return;
    if (this.#timer) clearTimeout(this.#timer);
    this.#due = due;
    this.#timer = setTimeout(() => {
      this.#due = Infinity;
      this.#moving = this.#moving.then(() => this.#run());
    }, delay);
  }

  async #run(): Promise<void> {
    let moved = 0;
    try {
      moved = await this.#move();
    } catch (error) {
      this.log.warn({ err: error }, "the relay cannot move the outbox; it will try again");
    }
    this.#schedule(moved === BATCH ? 0 : POLL_MS);
  }

  async #move(): Promise<number> {
    return withTransaction(this.dataSource, async (db) => {
      const rows = await db.run(takeOutbox, [BATCH]);
      const followUps = rows.flatMap(({ action, ...payload }) => (reactions[action] ?? []).map((identifier) => ({ identifier, payload })));
      const jobs: { identifier: JobName; payload: object; key?: string }[] = followUps.filter(({ identifier }) => !coalescedJobs.has(identifier));
      const coalesced = new Set(followUps.map(({ identifier }) => identifier).filter((identifier) => coalescedJobs.has(identifier)));
      for (const identifier of [...coalesced].sort()) jobs.push({ identifier, payload: {}, key: `follow-up ${identifier}` });
      if (jobs.length > 0) await db.run(addJobs, [JSON.stringify(jobs)]);
      return rows.length;
    });
  }
}

const takeOutbox = statement<{ action: Action; eventId: string; mailboxId: string; subjectId: string | null; messageId: string | null }>(
  "relay-take",
  `delete from outbox where event_id in (select event_id from outbox order by event_id limit $1 for update skip locked)
   returning action, event_id as "eventId", mailbox_id as "mailboxId", subject_id as "subjectId", message_id as "messageId"`,
);

const addJobs = statement(
  "relay-add-jobs",
  `select id from graphile_worker.add_jobs(array(
     select row(job ->> 'identifier', job -> 'payload', null, null, null, job ->> 'key', null, null)::graphile_worker.job_spec
     from json_array_elements($1::json) as job))`,
);
