import type { DataSource } from "typeorm";
import { setTimeout as pause } from "node:timers/promises";
import { after, MINUTE, SECOND } from "../clock.ts";
import { type Ctx, inTransaction } from "../context.ts";
import { statement } from "../db/database.ts";
import { isAway, isDatabaseAway } from "../db/unavailable.ts";
import { composeMail, type QueuedMail } from "./compose-mail.ts";
import { keepDemoMail } from "./demo-mails.ts";
import { failMail } from "./fail-mail.ts";
import { type MailFiles, readMailFiles } from "./mail-files.ts";
import type { MailData, MailKind } from "./mail-kinds.ts";
import type { MailOutcome } from "./mail-outcome.ts";
import { isGivenUp, pauseAfter, type SendingFault, type Verdict, verdictOn } from "./mail-policy.ts";
import { MOST_CONNECTIONS, openSmtp, writeOut } from "./transport.ts";

/** Whoever took a mail and does not say what became of it for so many times the longest conversation must have died. */
const LEASE_IN_CONVERSATIONS = 5;
/** A conversation that is under way when the process is told to stop may end within this. */
const GRACE_MS = 5 * SECOND;
/** A mail that was taken is marked though the database is away for a moment: not sent twice for that. */
const MARK_TRIES = 20;
const MARK_PAUSE_MS = SECOND;

const underWay = new WeakMap<DataSource, Run>();

/**
 * Sends the mails that are due, several at once, until none is left or it is told to stop. Each is taken by a lease, sent and
 * marked, so that it is never lost, and repeated only by whoever finds a lease run out: its taker died before it could mark it,
 * and so nobody knows whether the mail server had it. Safe in several processes at once; in one, a second call helps the first.
 */
export async function sendMails(ctx: Ctx, stop: AbortSignal, outcomes: readonly MailOutcome[], graceMs = GRACE_MS): Promise<void> {
  const files = await readMailFiles(ctx.config);
  const present = underWay.get(ctx.dataSource);
  if (present) {
    present.wake();
    return;
  }
  const route = openRoute(ctx, files);
  if (route === null) return;
  const run = new Run(ctx, stop, outcomes, files, route, graceMs);
  underWay.set(ctx.dataSource, run);
  try {
    await run.ended();
  } finally {
    underWay.delete(ctx.dataSource);
    route.close();
  }
}

/** Where mail goes. */
interface Route {
  send(mail: TakenMail, composed: ReturnType<typeof composeMail>, signal: AbortSignal): Promise<void>;
  close(): void;
}

/** The mail server of the settings, else the demo's own page; else mail waits. */
function openRoute(ctx: Ctx, files: MailFiles): Route | null {
  const { mode, mail } = ctx.config;
  if (mail.smtp !== null) {
    const transport = openSmtp(mail.smtp, mail, files);
    return { send: (_mail, composed, signal) => transport.send(composed, signal), close: () => transport.close() };
  }
  if (mode !== "demo") return null;
  return {
    async send({ id, address }, composed) {
      await keepDemoMail(ctx, { id, address, subject: composed.subject, raw: await writeOut(composed) });
    },
    close: () => undefined,
  };
}

interface TakenMail {
  readonly id: string;
  readonly kind: MailKind;
  readonly address: string;
  readonly language: QueuedMail["language"];
  readonly data: Buffer;
  readonly phrase: Buffer | null;
  readonly attempts: number;
  readonly createdAt: Date;
  readonly until: Date | null;
}

/** One process's work on the queue. */
class Run {
  readonly #lanes = new Set<Promise<void>>();
  readonly #failures: unknown[] = [];
  /** Aborted a while after `stop` is. */
  readonly #cutOff = new AbortController();
  #isServerAway = false;

  constructor(
    private readonly ctx: Ctx,
    private readonly stop: AbortSignal,
    private readonly outcomes: readonly MailOutcome[],
    private readonly files: MailFiles,
    private readonly route: Route,
    private readonly graceMs: number,
  ) {}

  /** Says that there may be more to do. */
  wake(): void {
    while (!this.#isOver() && this.#lanes.size < MOST_CONNECTIONS) {
      const lane: Promise<void> = this.#work()
        .catch((error: unknown) => void this.#failures.push(error))
        .finally(() => this.#lanes.delete(lane));
      this.#lanes.add(lane);
    }
  }

  /** Works until nothing is left. */
  async ended(): Promise<void> {
    let grace: NodeJS.Timeout | undefined;
    const onStop = (): void => {
      grace = setTimeout(() => this.#cutOff.abort(), this.graceMs);
    };
    this.stop.addEventListener("abort", onStop, { once: true });
    this.wake();
    while (this.#lanes.size > 0) await Promise.race(this.#lanes);
    this.stop.removeEventListener("abort", onStop);
    clearTimeout(grace);
    if (this.#failures.length > 0) throw this.#failures[0];
  }

  #isOver(): boolean {
    return this.stop.aborted || this.#isServerAway || this.#failures.length > 0;
  }

  async #work(): Promise<void> {
    while (!this.#isOver()) {
      const mail = await this.#take();
      if (mail === null) return;
      await this.#send(mail);
    }
  }

  /** Committed before anything is sent, so that nobody else takes it meanwhile. */
  async #take(): Promise<TakenMail | null> {
    return inTransaction(this.ctx, async ({ db, clock, config }) => {
      const now = clock.now();
      const [mail] = await db.run(takeDue, [now, after(now, LEASE_IN_CONVERSATIONS * config.limits.mailSeconds * SECOND)]);
      return mail ?? null;
    });
  }

  async #send(mail: TakenMail): Promise<void> {
    const { ctx } = this;
    if (mail.until !== null && mail.until <= ctx.clock.now()) {
      await this.#fail(mail, "GAVE_UP", null);
      return;
    }
    let composed: ReturnType<typeof composeMail>;
    try {
      composed = composeMail(ctx, await opened(ctx, mail), this.files.logo);
    } catch (error) {
      if (isAway(error)) {
        await this.#postpone(mail, MINUTE);
        throw error;
      }
      await this.#settle(mail, error, verdictOn(faultOf(error)));
      return;
    }
    const signal = AbortSignal.any([AbortSignal.timeout(ctx.config.limits.mailSeconds * SECOND), this.#cutOff.signal]);
    try {
      await this.route.send(mail, composed, signal);
    } catch (error) {
      const verdict = verdictOn(faultOf(error));
      this.#isServerAway ||= verdict.isServerAway;
      await this.#settle(mail, error, verdict);
      return;
    }
    await this.#markSent(mail);
  }

  async #markSent({ id, kind }: TakenMail): Promise<void> {
    for (let tries = 1; ; tries += 1) {
      try {
        await inTransaction(this.ctx, async (ctx) => {
          const marked = await ctx.db.run(markSent, [id, ctx.clock.now()]);
          if (marked.length > 0) for (const outcome of this.outcomes) await outcome.sent(ctx, [{ id, kind }]);
        });
        return;
      } catch (error) {
        if (tries === MARK_TRIES || this.#cutOff.signal.aborted || !isDatabaseAway(error)) throw error;
        await pause(MARK_PAUSE_MS);
      }
    }
  }

  /** What follows from an attempt that failed. */
  async #settle(mail: TakenMail, error: unknown, { isRefused, isDead, status }: Verdict): Promise<void> {
    const { ctx } = this;
    const { code, command, responseCode } = faultOf(error);
    const told = { requestId: ctx.requestId, mailId: mail.id, attempt: mail.attempts, err: error, code, command, responseCode };
    if (isRefused) {
      ctx.log.warn(told, "a mail was refused");
      await this.#fail(mail, "REFUSED", isDead ? status : null);
      return;
    }
    ctx.log.warn(told, "a mail could not be sent; it will be tried again");
    const pauseMs = pauseAfter(mail.attempts);
    if (isGivenUp(mail, after(ctx.clock.now(), pauseMs))) await this.#fail(mail, "GAVE_UP", null);
    else await this.#postpone(mail, pauseMs);
  }

  async #postpone({ id, attempts }: TakenMail, pauseMs: number): Promise<void> {
    await this.ctx.db.run(postpone, [id, attempts, after(this.ctx.clock.now(), pauseMs)]);
  }

  async #fail({ id }: TakenMail, reason: "REFUSED" | "GAVE_UP", deadStatus: string | null): Promise<void> {
    await failMail(this.ctx, this.outcomes, id, reason, deadStatus);
  }
}

async function opened({ dataKeys }: Ctx, { id, kind, address, language, data, phrase }: TakenMail): Promise<QueuedMail> {
  const opener = await dataKeys.forSealed([data, phrase]);
  return {
    id,
    kind,
    address,
    language,
    data: opener.open<MailData[MailKind]>({ id, field: "mail" }, data),
    phrase: phrase === null ? null : opener.open<string>({ id, field: "phrase" }, phrase),
  };
}

/** What nodemailer says of an error, as far as it does. */
function faultOf(error: unknown): SendingFault {
  if (typeof error !== "object" || error === null) return {};
  const text = (name: string): string | undefined => {
    const value: unknown = Reflect.get(error, name);
    return typeof value === "string" ? value : undefined;
  };
  const responseCode: unknown = Reflect.get(error, "responseCode");
  return {
    code: text("code"),
    command: text("command"),
    response: text("response"),
    responseCode: typeof responseCode === "number" ? responseCode : undefined,
  };
}

const takeDue = statement<TakenMail>(
  "mail-take",
  `update mails set attempts = attempts + 1, next_at = $2
   where id = (select id from mails where next_at <= $1 order by next_at limit 1 for update skip locked)
   returning id, kind, address, language, data, phrase, attempts, created_at as "createdAt", until`,
);

const markSent = statement<{ id: string }>(
  "mail-sent",
  "update mails set sent_at = $2, next_at = null where id = $1 and sent_at is null and failed_at is null returning id",
);

const postpone = statement("mail-postpone", "update mails set next_at = $3 where id = $1 and attempts = $2 and next_at is not null");
