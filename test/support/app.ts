import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { Writable } from "node:stream";
import { Pool } from "pg";
import { type App, startApp } from "../../src/app.ts";
import { asApplication } from "../../src/db/app-role.ts";
import { MovableClock } from "../../src/clock.ts";
import type { Config } from "../../src/config.ts";
import { createCtx, type Ctx, type Services } from "../../src/context.ts";
import { columnTypes } from "../../src/db/database.ts";
import { defaultLimits, type Limits } from "../../src/limits.ts";
import { createLog } from "../../src/log.ts";
import { runJobsOnce } from "../../src/worker.ts";
import { createDatabase } from "./database.ts";

/** A server of one's own on a free port, with its own database and folder, and a clock that stands until it is moved. */
export interface TestApp {
  readonly url: string;
  readonly databaseUrl: string;
  readonly dataDir: string;
  readonly clock: MovableClock;
  readonly services: Services;
  /** Connections with all rights, unlike the server's own. */
  readonly owner: Pool;
  /** Everything it has logged, one JSON object a line. */
  readonly logged: string[];
  /** A context for operations without a front door, as the server itself. */
  ctx(): Ctx;
  /** Moves what is in the outbox and runs every job that is due. */
  runJobsOnce(): Promise<void>;
  close(): Promise<void>;
}

export interface TestAppOptions {
  readonly limits?: Partial<Limits>;
  readonly config?: Partial<Config>;
  /** What time it is at the start; `START` if left out. */
  readonly startAt?: Date;
  /** Another process on the same data: shares database, folder and clock. */
  readonly beside?: TestApp;
}

/** Where every test's time begins, unless it is moved. */
export const START = new Date("2026-03-02T09:00:00.000Z");

/** Starts a server. Close it in `afterAll`. */
export async function startTestApp({ limits, config, startAt = START, beside }: TestAppOptions = {}): Promise<TestApp> {
  const database = beside ? null : await createDatabase();
  const databaseUrl = beside?.databaseUrl ?? database?.url ?? "";
  const dataDir = beside?.dataDir ?? (await mkdtemp(path.join(tmpdir(), "secure-mailbox-data-")));
  const clock = beside?.clock ?? new MovableClock(startAt);
  const logged: string[] = [];
  const destination = new Writable({
    write(line: Buffer, _encoding, done) {
      logged.push(line.toString());
      done();
    },
  });
  const settings = testConfig({ databaseUrl, dataDir, limits: { ...defaultLimits, ...limits }, ...config });
  const owner = new Pool({ connectionString: settings.databaseUrl ?? "", types: columnTypes, options: "-c timezone=UTC", max: 4 });
  owner.on("error", () => undefined); // Some tests break all connections
  const app: App = await startApp(settings, { clock, log: createLog(settings.logLevel, destination) });
  return {
    url: app.url ?? "",
    databaseUrl,
    dataDir,
    clock,
    services: app.services,
    owner,
    logged,
    ctx: () => createCtx(app.services),
    runJobsOnce: () => runJobsOnce(app.services, asApplication(databaseUrl)),
    async close() {
      await app.close();
      await owner.end();
      if (beside) return;
      await database?.drop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

function testConfig(overrides: Partial<Config>): Config {
  return {
    mode: "production",
    port: 0,
    host: "127.0.0.1",
    publicUrl: null,
    allowedOrigins: [],
    trustedProxies: [],
    dataDir: "",
    s3: null,
    databaseUrl: null,
    databasePoolSize: 4,
    demoPassword: null,
    secretKey: Buffer.alloc(32, 7),
    keyring: null,
    organisation: { name: "Example Health", domains: ["insurer.example"] },
    defaultLanguage: "EN",
    enrolmentKind: "MEMBER",
    session: { idleMinutes: 60, hours: 12 },
    emailCodes: false,
    requireSecondFactor: "nobody",
    stepUpMinutes: 10,
    introspection: "signed-in",
    parts: ["api"],
    sandbox: false,
    auditSigningKey: null,
    auditPublishUrl: null,
    mail: { smtp: null, caFile: null, from: "no-reply@insurer.example", bounceDomain: null, dkim: null },
    brand: { colour: "#1f5fa8", logoFile: null, supportContact: null },
    logLevel: "info",
    clamd: null,
    singleSignOn: null,
    limits: defaultLimits,
    ...overrides,
  };
}
