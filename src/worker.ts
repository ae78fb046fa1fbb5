import { EventEmitter } from "node:events";
import { type CronItem, Logger, parseCronItems, run, type Runner, runOnce, type RunnerOptions, type TaskList, type WorkerEvents } from "graphile-worker";
import { forgetValidations, mailCodes } from "./accounts/mail-codes.ts";
import { removeReleasedBlobs } from "./attachments/release-attachments.ts";
import { scanAttachments } from "./attachments/scan-attachments.ts";
import { createCtx, type Ctx, type Services } from "./context.ts";
import { poolOf, statement } from "./db/database.ts";
import { isDatabaseAway } from "./db/unavailable.ts";
import { buildExports } from "./exports/build-exports.ts";
import { expireExports } from "./exports/expire-exports.ts";
import { publishSeals } from "./ledger/publish-seals.ts";
import type { JobName } from "./ledger/reactions.ts";
import { sealLedger } from "./ledger/seal-ledger.ts";
import { mailOutcomes } from "./mail-outcomes.ts";
import { sendMails } from "./mailer/send-mails.ts";
import { forgetNotices } from "./notifications/forget-notices.ts";
import { notifyRecipients } from "./notifications/notify-recipients.ts";
import { remindOfUnread } from "./notifications/remind-of-unread.ts";
import { expireMessages } from "./retention/expire-messages.ts";
import { keepHolds } from "./retention/keep-holds.ts";
import { sweep } from "./retention/sweep.ts";
import { gatherSearchDays } from "./search/gather-search-days.ts";
import { warnOfExpiry } from "./retention/warn-of-expiry.ts";

type ScheduledJob =
  | "build-exports"
  | "expire-exports"
  | "keep-holds"
  | "expire-messages"
  | "scan-attachments"
  | "warn-of-expiry"
  | "remind-of-unread"
  | "notify-recipients"
  | "forget-notices"
  | "sweep"
  | "seal-ledger"
  | "publish-seals"
  | "gather-search-days"
  | "send-mails"
  | "mail-codes"
  | "forget-validations";

/** Every job by its name. Each may run twice, on two nodes at once, and be killed anywhere; a long one stops when told to. */
const jobs: Record<JobName | ScheduledJob, (ctx: Ctx, stop: AbortSignal) => Promise<unknown>> = {
  "remove-released-blobs": removeReleasedBlobs,
  "scan-attachments": scanAttachments,
  "build-exports": buildExports,
  "expire-exports": expireExports,
  "keep-holds": keepHolds,
  "expire-messages": (ctx, stop) => expireMessages(ctx, stop),
  "warn-of-expiry": warnOfExpiry,
  "remind-of-unread": remindOfUnread,
  "notify-recipients": notifyRecipients,
  "forget-notices": forgetNotices,
  sweep,
  "seal-ledger": (ctx, stop) => sealLedger(ctx, stop),
  "publish-seals": publishSeals,
  "send-mails": (ctx, stop) => sendMails(ctx, stop, mailOutcomes),
  "mail-codes": mailCodes,
  "forget-validations": forgetValidations,
  "gather-search-days": gatherSearchDays,
};

type Scheduled = CronItem & { readonly task: ScheduledJob };

/** What runs when, in UTC. */
const schedule: Scheduled[] = [
  scheduled("build-exports", "* * * * *"),
  scheduled("expire-exports", "* * * * *"),
  scheduled("keep-holds", "* * * * *"),
  scheduled("expire-messages", "* * * * *"),
  scheduled("warn-of-expiry", "* * * * *"),
  scheduled("remind-of-unread", "* * * * *"),
  scheduled("notify-recipients", "* * * * *"),
  scheduled("forget-notices", "*/10 * * * *"),
  scheduled("scan-attachments", "* * * * *"),
  scheduled("sweep", "*/5 * * * *"),
  scheduled("seal-ledger", "* * * * *"),
  scheduled("publish-seals", "* * * * *"),
  scheduled("mail-codes", "* * * * *"),
  scheduled("forget-validations", "*/10 * * * *"),
  scheduled("send-mails", "* * * * *"),
  scheduled("gather-search-days", "*/10 * * * *"),
];

/** One at a time, and not tried again: the next minute does what this one could not. */
function scheduled(task: ScheduledJob, match: string): Scheduled {
  return { task, match, options: { maxAttempts: 1, jobKey: task, jobKeyMode: "preserve_run_at" } };
}

const neverStopped = new AbortController().signal;

/** Short jobs end within this; long ones are then told to stop. */
const STOP_MS = 500;

/** Its own words may quote payloads and errors; what we log comes from its events. */
const silent = new Logger(() => () => undefined);

/** Runs jobs as they come due, until stopped. What fails is tried again later with growing pauses. */
export function startWorker(services: Services, databaseUrl: string): Promise<Runner> {
  return run({ ...optionsOf(services, databaseUrl), concurrency: 4, pollInterval: 2000, parsedCronItems: parseCronItems(schedule) });
}

/** Runs all jobs that are due now and returns; for tests. */
export async function runJobsOnce(services: Services, databaseUrl: string): Promise<void> {
  await services.relay.drain();
  await runOnce(optionsOf(services, databaseUrl));
}

/**
 * Runs the whole schedule, then what follows from it or waited for a time that has come, and returns: a sandbox's clock
 * has moved, and a worker, which knows only the real time, would still wait. What fails is logged.
 */
export async function runDueJobs(services: Services, databaseUrl: string): Promise<void> {
  for (const { task } of schedule) {
    try {
      await jobs[task](createCtx(services, { requestId: `sandbox-${task}` }), neverStopped);
    } catch (error) {
      if (isDatabaseAway(error)) throw error;
      services.log.error({ job: task, err: error }, "a job failed");
    }
  }
  await services.relay.drain();
  const { rowCount } = await poolOf(services.dataSource).query({ ...makeDue, values: [services.clock.now()] });
  if (rowCount) await runOnce(optionsOf(services, databaseUrl));
}

/** A job that was queued to run at once is due whatever the two clocks say. */
const makeDue = statement(
  "sandbox-make-due",
  `select id from graphile_worker.reschedule_jobs(
     array(select id from graphile_worker.jobs where run_at <= greatest($1, created_at)), run_at := 'epoch')`,
);

function optionsOf(services: Services, connectionString: string): RunnerOptions {
  const taskList: TaskList = Object.fromEntries(
    Object.entries(jobs).map(([name, job]) => [
      name,
      async (_payload, { job: { id }, abortSignal }) => {
        await job(createCtx(services, { requestId: `job-${id}` }), abortSignal);
      },
    ]),
  );
  const events: WorkerEvents = new EventEmitter();
  events.on("job:error", ({ job, error }) => services.log.error({ job: job.task_identifier, attempt: job.attempts, err: error }, "a job failed"));
  events.on("worker:getJob:error", ({ error }) => services.log.warn({ err: error }, "the worker cannot reach the database"));
  return { connectionString, maxPoolSize: 5, gracefulShutdownAbortTimeout: STOP_MS, taskList, events, logger: silent, noHandleSignals: true };
}
