import { EventEmitter } from "node:events";
import { type CronItem, Logger, parseCronItems, run, type Runner, runOnce, type RunnerOptions, type TaskList, type WorkerEvents } from "graphile-worker";
import { removeReleasedBlobs } from "./attachments/release-attachments.ts";
import { createCtx, type Ctx, type Services } from "./context.ts";
import type { JobName } from "./ledger/reactions.ts";
import { expireMessages } from "./retention/expire-messages.ts";
import { sweep } from "./retention/sweep.ts";

type ScheduledJob = "expire-messages" | "sweep";

/** Every job by its name. Each may run twice, on two nodes at once, and be killed anywhere. */
const jobs: Record<JobName | ScheduledJob, (ctx: Ctx) => Promise<unknown>> = {
  "remove-released-blobs": removeReleasedBlobs,
  "expire-messages": expireMessages,
  sweep,
};

/** What runs when, in UTC. */
const schedule: CronItem[] = [
  { task: "expire-messages" satisfies ScheduledJob, match: "* * * * *", options: { maxAttempts: 1, jobKey: "expire-messages", jobKeyMode: "preserve_run_at" } },
  { task: "sweep" satisfies ScheduledJob, match: "*/5 * * * *", options: { maxAttempts: 1, jobKey: "sweep", jobKeyMode: "preserve_run_at" } },
];

/** Its own words may quote payloads and errors; what we log comes from its events. */
const silent = new Logger(() => () => undefined);

/** Runs jobs as they come due, until stopped. What fails is tried again later with growing pauses. */
export function startWorker(services: Services, databaseUrl: string): Promise<Runner> {
  return run({ ...optionsOf(services, databaseUrl), concurrency: 2, pollInterval: 2000, parsedCronItems: parseCronItems(schedule) });
}

/** Runs all jobs that are due now and returns; for tests. */
export async function runJobsOnce(services: Services, databaseUrl: string): Promise<void> {
  await services.relay.drain();
  await runOnce(optionsOf(services, databaseUrl));
}

function optionsOf(services: Services, connectionString: string): RunnerOptions {
  const taskList: TaskList = Object.fromEntries(
    Object.entries(jobs).map(([name, job]) => [
      name,
      async (_payload, { job: { id } }) => {
        await job(createCtx(services, { requestId: `job-${id}` }));
      },
    ]),
  );
  const events: WorkerEvents = new EventEmitter();
  events.on("job:error", ({ job, error }) => services.log.error({ job: job.task_identifier, attempt: job.attempts, err: error }, "a job failed"));
  events.on("worker:getJob:error", ({ error }) => services.log.warn({ err: error }, "the worker cannot reach the database"));
  return { connectionString, maxPoolSize: 3, taskList, events, logger: silent, noHandleSignals: true };
}
