import type { Logger } from "pino";
import type { DataSource } from "typeorm";
import { Db, poolOf, statement } from "../db/database.ts";
import { coalescedJobs, reactions } from "./reactions.ts";

const COALESCE_MS = 5;
const POLL_MS = 5000;
const BATCH = 1000;

/**
 * Moves outbox rows into the jobs that `reactions.ts` names: one bulk `add_jobs` and the deletion in one transaction, so that
 * each follow-up is queued exactly once; those that do all there is to do, once for all who wait for it. Kept out of the
 * writer's own transaction because queueing a job notifies, and that divides the sends a second by three. Polls for what a
 * crash left behind.
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
    const db = new Db(this.dataSource.manager, poolOf(this.dataSource));
    return (await db.one(moveOutbox, [BATCH])).moved;
  }
}

/** Every pair of an action and a job that follows from it, as rows of SQL. */
const followUps = Object.entries(reactions)
  .flatMap(([action, jobs]) => jobs.map((job) => `('${action}', '${job}', ${coalescedJobs.has(job)})`))
  .join(", ");

// One statement, and so one transaction and one journey. A key keeps a job that waits from being queued once more; one that
// runs already gets a successor. Keys are taken in one order by everybody.
const moveOutbox = statement<{ moved: number }>(
  "relay-move",
  `with taken as (
     delete from outbox where event_id in (select event_id from outbox order by event_id limit $1 for update skip locked)
     returning action, event_id, mailbox_id, subject_id, message_id
   ), follow_up as (
     select f.job, f.coalesced, t.* from taken t join (values ${followUps}) as f (action, job, coalesced) on f.action = t.action
   ), due as (
     select job, json_build_object('eventId', event_id, 'mailboxId', mailbox_id, 'subjectId', subject_id, 'messageId', message_id)::text as payload,
            null as key
     from follow_up where not coalesced
     union all
     select distinct job, '{}', 'follow-up ' || job from follow_up where coalesced
   )
   select (select count(*)::int from taken) as moved,
          case when exists (select from due) then (
            select count(*)::int from graphile_worker.add_jobs(array(
              select row(job, payload::json, null, null, null, key, null, null)::graphile_worker.job_spec from due order by key, job))
          ) end as queued`,
);
