import type { Pool } from "pg";
import type { Logger } from "pino";
import { after, type Clock, SECOND } from "../clock.ts";
import { statement } from "../db/database.ts";
import type { Bus } from "../ledger/bus.ts";

const REFRESH_MS = SECOND;

/** What a sandbox's clock works with. */
export interface SandboxClockOptions {
  /** What it runs ahead of. */
  readonly realTime: Clock;
  readonly pool: Pool;
  readonly bus: Bus;
  readonly log: Logger;
  /** Runs every job that the new time makes due, and returns when they have run. */
  readonly runDueJobs: () => Promise<void>;
}

/**
 * A clock that runs ahead of the real time by as much as administrators have moved it. How much stands in the database:
 * a restart keeps it, and every process on that database follows, at the bus's signal or within a second by asking.
 */
export class SandboxClock implements Clock {
  #ahead = 0;
  #refreshing: NodeJS.Timeout | null = null;
  #closed = false;
  #stopListening = (): void => undefined;

  constructor(private readonly options: SandboxClockOptions) {}

  now(): Date {
    return after(this.options.realTime.now(), this.#ahead);
  }

  /** By how much it runs ahead, in milliseconds. */
  get ahead(): number {
    return this.#ahead;
  }

  /** Goes to where the database says it stands, and follows from then on. */
  async open(): Promise<void> {
    await this.refresh();
    this.#stopListening = this.options.bus.listen("clock", () => void this.#follow());
    this.#schedule();
  }

  /** Goes to where the database says it stands; never back. */
  async refresh(): Promise<void> {
    this.#ahead = Math.max(this.#ahead, await aheadOf(this.options.pool));
  }

  /** Runs every job that is due, and returns when they have run. */
  runDueJobs(): Promise<void> {
    return this.options.runDueJobs();
  }

  /** Follows no more. */
  close(): void {
    this.#closed = true;
    this.#stopListening();
    if (this.#refreshing) clearTimeout(this.#refreshing);
  }

  #schedule(): void {
    if (!this.#closed) this.#refreshing = setTimeout(() => void this.#follow().then(() => this.#schedule()), REFRESH_MS);
  }

  async #follow(): Promise<void> {
    try {
      await this.refresh();
    } catch (error) {
      this.options.log.warn({ err: error }, "the sandbox's clock cannot reach the database");
    }
  }
}

/** Refuses to run without the sandbox on a database that has been one: there, time would go back by months. */
export async function mustNotHaveBeenMoved(pool: Pool): Promise<void> {
  if ((await aheadOf(pool)) > 0) throw new Error("This database was a sandbox whose clock has been moved. Set SANDBOX=1, or start on another database.");
}

async function aheadOf(pool: Pool): Promise<number> {
  const { rows } = await pool.query<{ ahead: number }>(readAhead);
  return rows[0]?.ahead ?? 0;
}

const readAhead = statement<{ ahead: number }>("sandbox-ahead", "select ahead_ms as ahead from sandbox_clock");
