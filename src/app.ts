import "reflect-metadata";
import path from "node:path";
import type { Logger } from "pino";
import { type Clock, systemClock } from "./clock.ts";
import type { Config } from "./config.ts";
import { createCtx, type Services } from "./context.ts";
import { createDataSource, migrate } from "./data-source.ts";
import { asApplication, mustOnlyAppend } from "./db/app-role.ts";
import { poolOf } from "./db/database.ts";
import { people } from "./demo/world.ts";
import { seedDemo } from "./demo/seed.ts";
import { Bus } from "./ledger/bus.ts";
import { Relay } from "./ledger/relay.ts";
import { readSigningKeys } from "./ledger/signing-keys.ts";
import { createLog } from "./log.ts";
import { readMailFiles } from "./mailer/mail-files.ts";
import { destroyPastKeys } from "./retention/destroy-keys.ts";
import { mustNotHaveBeenMoved, SandboxClock } from "./sandbox/sandbox-clock.ts";
import { createSchema } from "./schema.ts";
import { createHttp } from "./server/http.ts";
import { checkSingleSignOn } from "./single-sign-on/saml-provider.ts";
import { createBlobStore } from "./vault/create-blob-store.ts";
import { createKeyring } from "./vault/create-keyring.ts";
import { DataKeys } from "./vault/data-keys.ts";
import { createKeyedHash } from "./vault/keyed-hash.ts";
import { localSecretKey } from "./vault/local-secret-key.ts";
import { runDueJobs, startWorker } from "./worker.ts";

/** What a test may put in the place of the real thing. */
export interface AppOverrides {
  readonly clock?: Clock;
  readonly log?: Logger;
}

/** A running server. */
export interface App {
  /** Where people reach it; null if this process runs no API. */
  readonly url: string | null;
  readonly services: Services;
  /** Stops taking requests, lets those in flight finish, and closes everything; more calls do no more. */
  close(): Promise<void>;
}

/** Starts the parts that the configuration names, on a database that is brought up to date first. */
export async function startApp(config: Config, { clock: realTime = systemClock, log = createLog(config.logLevel) }: AppOverrides = {}): Promise<App> {
  const closing: (() => Promise<unknown>)[] = [];
  const close = async (): Promise<void> => {
    for (const step of closing.splice(0).reverse()) await step();
  };
  try {
    const ownUrl = config.databaseUrl ?? (await startDemoDatabase(config, closing));
    const blobs = await createBlobStore(config, log);
    const keyedHash = createKeyedHash(config.secretKey ?? (await localSecretKey(config.dataDir)));
    const keyring = await createKeyring(config, realTime);
    await migrate(ownUrl);
    const databaseUrl = asApplication(ownUrl);

    const dataSource = await createDataSource({ url: databaseUrl, poolSize: config.databasePoolSize }).initialize();
    closing.push(() => dataSource.destroy());
    await mustOnlyAppend(poolOf(dataSource));
    const bus = new Bus(poolOf(dataSource), databaseUrl, log);
    const relay = new Relay(dataSource, log);
    const sandboxClock = config.sandbox
      ? new SandboxClock({ realTime, pool: poolOf(dataSource), bus, log, runDueJobs: () => runDueJobs(jobServices, databaseUrl) })
      : null;
    const clock = sandboxClock ?? realTime;
    const dataKeys = new DataKeys(databaseUrl, keyring, clock);
    closing.push(() => dataKeys.close());
    const services: Services = { config, dataSource, bus, relay, blobs, dataKeys, keyedHash, clock, log };
    const jobServices = { ...services, dataSource: createDataSource({ url: databaseUrl, poolSize: 4, patient: true }) };
    await bus.open();
    closing.push(() => bus.close());
    if (sandboxClock) {
      await sandboxClock.open();
      closing.push(async () => sandboxClock.close());
    } else await mustNotHaveBeenMoved(poolOf(dataSource));
    relay.open();
    closing.push(() => relay.close());
    // A database restored from a backup may hold keys that are long due: nobody reads before they are gone.
    await destroyPastKeys(createCtx(services));
    if (config.demoPassword !== null) await seedDemo(services, config.demoPassword);

    if (config.parts.includes("worker") || config.sandbox) {
      await jobServices.dataSource.initialize();
      closing.push(() => jobServices.dataSource.destroy());
    }
    if (config.parts.includes("worker")) {
      // A key that cannot seal, a certificate or a logo that cannot be read is said now, not by a job
      await readSigningKeys(config);
      await readMailFiles(config);
      const worker = await startWorker(jobServices, databaseUrl);
      closing.push(async () => {
        await worker.stop();
        await worker.promise; // Until the last job is not only done but taken off the queue
      });
    }
    const url = config.parts.includes("api") ? await startApi(services, closing) : null;
    return { url, services, close };
  } catch (error) {
    await close().catch(() => undefined);
    throw error;
  }
}

async function startApi(services: Services, closing: (() => Promise<unknown>)[]): Promise<string> {
  const { config, dataSource } = services;
  await checkSingleSignOn(config);
  const readiness = {
    async check() {
      if (await dataSource.showMigrations()) throw new Error("Migrations are pending");
    },
  };
  const { name } = config.organisation;
  const playground =
    config.demoPassword === null
      ? { demo: false as const, organisation: name }
      : { demo: true as const, organisation: name, accounts: people, password: config.demoPassword };
  const http = await createHttp({ services, schema: createSchema(), readiness, playground });
  closing.push(() => http.close());
  return http.listen();
}

/** The demo's own PostgreSQL; `closing` gets what stops it. */
export async function startDemoDatabase(config: Config, closing: (() => Promise<unknown>)[]): Promise<string> {
  const { startEmbeddedPostgres } = await import("./db/embedded-postgres.ts");
  const postgres = await startEmbeddedPostgres({ directory: path.join(path.resolve(config.dataDir), "postgres") });
  closing.push(() => postgres.stop());
  return postgres.url;
}
