import { fork } from "node:child_process";
import { once } from "node:events";
import { open, readFile } from "node:fs/promises";
import { createServer } from "node:net";
import { extname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Fault, type Home, prepareHome } from "./embedded-postgres-home.ts";
import { DATABASE_NAME, own, takeOver } from "./embedded-postgres-owner.ts";
import { endPostmaster, findPostmaster } from "./postmaster.ts";

export { DATABASE_NAME };

export interface EmbeddedPostgresOptions {
  /** A folder of its own, made if missing: gets `cluster/`, `password` and `postgres.log`. */
  readonly directory: string;
  /** Whether a commit survives a power cut (the default); without it tests run faster. */
  readonly durable?: boolean;
  /** How many sessions PostgreSQL allows, 100 by default. */
  readonly maxConnections?: number;
}

export interface EmbeddedPostgres {
  /** Where to connect, with the password in it: not for logs. */
  readonly url: string;
  /** Ends PostgreSQL and resolves when it is gone; more calls do no more. */
  stop(): Promise<void>;
}

/**
 * Starts a real PostgreSQL on 127.0.0.1, the first time with a new database. It ends with `stop()` or with this process,
 * however that dies; what a killed server left running is taken over. Throws an Error of one clear line.
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const home = await prepareHome(options.directory);
  const deadline = performance.now() + 10_000;
  for (;;) {
    await takeOver(home);
    try {
      return await startOnce(home, options);
    } catch (error) {
      if (error instanceof Fault || performance.now() > deadline) throw error;
      await sleep(50); // another server is starting or ending PostgreSQL in this folder at this very moment
    }
  }
}

async function startOnce(home: Home, options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const keeper = await startKeeper(home, options);
  try {
    const release = await own(home, keeper.port);
    let stopped: Promise<void> | undefined;
    return {
      url: `postgres://postgres:${home.password}@127.0.0.1:${keeper.port}/${DATABASE_NAME}`,
      stop: () => (stopped ??= release().finally(keeper.end)),
    };
  } catch (error) {
    await keeper.end();
    throw error;
  }
}

interface Keeper {
  readonly port: number;
  /** Closes the pipe and resolves when PostgreSQL and its keeper are gone. */
  readonly end: () => Promise<void>;
}

const KEEPER = fileURLToPath(new URL(`embedded-postgres-keeper${extname(import.meta.url)}`, import.meta.url));

async function startKeeper(home: Home, { durable = true, maxConnections = 100 }: EmbeddedPostgresOptions): Promise<Keeper> {
  const port = await findFreePort();
  const settings = [
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    `max_connections=${maxConnections + 1}`, // one is the owner's
    "superuser_reserved_connections=0",
    "timezone=UTC",
    "log_timezone=UTC",
    "log_min_messages=log", // errors can quote rows and statements: they are for the session alone
    "log_min_error_statement=panic",
    "log_error_verbosity=terse",
    "log_checkpoints=off",
    ...(durable ? [] : ["fsync=off", "synchronous_commit=off", "full_page_writes=off"]),
  ];
  const log = await open(home.log, "a", 0o600);
  await log.truncate();
  const child = fork(KEEPER, [home.path, String(port), ...settings], {
    ...home.launcher,
    cwd: home.path,
    detached: true,
    env: { PATH: process.env["PATH"], LC_ALL: "C" },
    stdio: ["ignore", "ignore", log.fd, "ipc"],
  });
  const ready = Promise.race([once(child, "message").then(() => true), once(child, "exit").then(() => false)]);
  if (!(await ready.finally(() => log.close()))) throw await readFault(home);
  const end = async (): Promise<void> => {
    if (child.connected) child.disconnect();
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
    const orphan = await findPostmaster(home.cluster); // where the keeper itself was killed
    if (orphan?.port === port) await endPostmaster(home.cluster, orphan);
  };
  return { port, end };
}

async function findFreePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  await once(server.close(), "close");
  if (address === null || typeof address === "string") throw new Fault("No TCP port is free on 127.0.0.1");
  return address.port;
}

/** Reads in the log why PostgreSQL did not start: a Fault, or what will pass. */
async function readFault({ directory, log }: Home): Promise<Error> {
  const lines = (await readFile(log, "utf8")).split("\n").filter(Boolean);
  const line = lines.findLast((text) => /FATAL|PANIC|error/i.test(text)) ?? lines.at(-1) ?? "no reason was given";
  const message = `PostgreSQL did not start in DATA_DIR ${directory}: ${line.trim()} (see ${log})`;
  const passing = /postmaster\.pid" already exists|shared memory block|could not create any TCP/.test(line);
  return passing ? new Error(message) : new Fault(message);
}
