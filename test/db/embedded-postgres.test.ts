import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Client } from "pg";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "../../src/db/embedded-postgres.ts";
import { findPostmaster, type Postmaster } from "../../src/db/postmaster.ts";

const parent = realpathSync(mkdtempSync(join(tmpdir(), "embedded postgres ")));
const directory = join(parent, "postgres");
const cluster = join(directory, "cluster");

beforeAll(() => {
  chmodSync(parent, 0o755); // where we are root, PostgreSQL's own user shall come in
});

afterAll(() => {
  rmSync(parent, { recursive: true, force: true });
});

test("starts at the first call, answers, keeps its rows, and leaves no process when stopped", async () => {
  const first = await start();
  await query(first.url, "create table kept as select 'ä' as letter");
  const { pid } = await postmaster();
  const keeper = parentOf(pid);
  await Promise.all([first.stop(), first.stop()]);
  expect([isAlive(pid), isAlive(keeper)]).toEqual([false, false]);

  const second = await start();
  expect(await query(second.url, "select letter from kept")).toEqual([{ letter: "ä" }]);
  await second.stop();
  expect(await findPostmaster(cluster)).toBeUndefined();
});

test("listens on 127.0.0.1 only, keeps its password to its owner, and tells its log no data", async () => {
  const database = await start();
  expect(new URL(database.url)).toMatchObject({ hostname: "127.0.0.1", pathname: "/mailbox" });
  await expect(query(database.url.replace(/:[^:@]+@/, ":wrong@"), "select 1")).rejects.toThrow("password");
  await expect(query(database.url, "select 'a secret'::int")).rejects.toThrow("a secret");
  expect(await query(database.url, "show listen_addresses")).toEqual([{ listen_addresses: "127.0.0.1" }]);
  expect(await query(database.url, "show unix_socket_directories")).toEqual([{ unix_socket_directories: "" }]);
  await database.stop();

  expect(mode(directory)).toBe("700");
  expect(mode(join(directory, "password"))).toBe("600");
  const log = readFileSync(join(directory, "postgres.log"), "utf8");
  expect(log).toContain("ready to accept connections");
  expect(log).not.toContain("secret");
  expect(log).not.toContain(new URL(database.url).password);
});

test("durable is the default, and as many sessions fit as were asked for", async () => {
  const database = await startEmbeddedPostgres({ directory, maxConnections: 2 });
  const sessions = [new Client(database.url), new Client(database.url)];
  await Promise.all(sessions.map((session) => session.connect()));
  expect(await sessions[0]?.query("show fsync")).toMatchObject({ rows: [{ fsync: "on" }] });
  await expect(query(database.url, "select 1")).rejects.toThrow("too many clients");
  await Promise.all(sessions.map((session) => session.end()));
  await database.stop();
});

test("PostgreSQL ends when its server is killed, and the next start works", async () => {
  const server = await startServer();
  const { pid } = await postmaster();
  const keeper = parentOf(pid);
  process.kill(server, "SIGKILL");
  await until(() => !isAlive(pid) && !isAlive(keeper));
  await (await start()).stop();
});

test("the next start needs not wait for a killed server's PostgreSQL to end", async () => {
  process.kill(await startServer(), "SIGKILL");
  await (await start()).stop();
});

test("a folder in use by a running server is refused, and that server goes on", async () => {
  const server = await startServer();
  const { pid } = await postmaster();
  await expect(start()).rejects.toThrow(`DATA_DIR ${directory} is in use by another running server (process ${server})`);
  expect((await postmaster()).pid).toBe(pid);
  process.kill(server, "SIGKILL");
  await until(() => !isAlive(pid));
});

test("a leftover PostgreSQL that nobody owns is taken over", async () => {
  const server = await startServer();
  const { pid } = await postmaster();
  process.kill(parentOf(pid), "SIGKILL");
  process.kill(server, "SIGKILL");
  await until(() => !isAlive(server));
  expect(isAlive(pid)).toBe(true);

  const database = await start();
  expect(isAlive(pid)).toBe(false);
  await database.stop();
});

test("stops its PostgreSQL even where the keeper was killed", async () => {
  const database = await start();
  const { pid } = await postmaster();
  process.kill(parentOf(pid), "SIGKILL");
  expect(await query(database.url, "select 1 as one")).toEqual([{ one: 1 }]);
  await database.stop();
  expect(isAlive(pid)).toBe(false);
});

test.each([
  ["of a process that is gone", 2 ** 31 - 2],
  ["that now is another program's", process.pid],
])("a stale pid file %s does not block the start", async (_, pid) => {
  const database = await start();
  const file = join(cluster, "postmaster.pid");
  const content = readFileSync(file, "utf8");
  await database.stop();
  expect(existsSync(file)).toBe(false);
  writeFileSync(file, content.replace(/^\d+/, String(pid)), { mode: 0o666 });
  await (await start()).stop();
});

test("still owns the folder after PostgreSQL has dropped the session that says so", async () => {
  const server = await startServer();
  const url = `postgres://postgres:${readFileSync(join(directory, "password"), "utf8")}@127.0.0.1:${(await postmaster()).port}/postgres`;
  const owner = "select pid from pg_stat_activity where application_name = $1";
  const [before] = await query(url, owner, [`process ${server}`]);
  await query(url, "select pg_terminate_backend($1)", [before?.["pid"]]);
  await until(async () => {
    const [now] = await query(url, owner, [`process ${server}`]);
    return now !== undefined && now["pid"] !== before?.["pid"];
  });
  await expect(start()).rejects.toThrow("in use");
  process.kill(server, "SIGKILL");
});

test("of two first starts at the same moment one wins and the other is refused, in a folder closed to others too", async () => {
  const closed = join(parent, "closed");
  mkdirSync(closed, { mode: 0o700 });
  const starts = await Promise.allSettled([start(join(closed, "postgres")), start(join(closed, "postgres"))]);
  for (const one of starts) if (one.status === "fulfilled") await one.value.stop();
  expect(starts.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
  const message = `DATA_DIR ${closed}/postgres is in use by another running server (process ${process.pid})`;
  expect(starts).toContainEqual({ status: "rejected", reason: new Error(message) });
});

test("a folder that cannot be made is one clear line", async () => {
  const file = join(parent, "file");
  writeFileSync(file, "");
  await expect(start(join(file, "postgres"))).rejects.toThrow(/^DATA_DIR .*postgres is not writable: E[A-Z]+: .*$/);
});

test("a cluster that PostgreSQL refuses is one line with its reason", async () => {
  await (await start()).stop();
  const version = join(cluster, "PG_VERSION");
  const content = readFileSync(version, "utf8");
  writeFileSync(version, "9\n");
  await expect(start()).rejects.toThrow(/^PostgreSQL did not start in DATA_DIR .*incompatible.*$/);
  writeFileSync(version, content);
});

async function start(where = directory): Promise<EmbeddedPostgres> {
  return await startEmbeddedPostgres({ directory: where, durable: false });
}

/** Starts a server of its own process, which this test may kill, and gives its pid once its database is up. */
async function startServer(): Promise<number> {
  const source = new URL("../../src/db/embedded-postgres.ts", import.meta.url).href;
  const script = `
    const { startEmbeddedPostgres } = await import(process.argv[1]);
    await startEmbeddedPostgres({ directory: process.argv[2], durable: false });
    console.log("up");`;
  const server = spawn(process.execPath, ["--import", "tsx", "--input-type=module", "--eval", script, source, directory], {
    cwd: fileURLToPath(new URL("../..", import.meta.url)),
    stdio: ["ignore", "pipe", "inherit"],
  });
  await Promise.race([once(server.stdout, "data"), once(server, "exit")]);
  if (server.pid === undefined || server.exitCode !== null) throw new Error("the server did not start");
  return server.pid;
}

async function query(url: string, text: string, values: unknown[] = []): Promise<Record<string, unknown>[]> {
  const client = new Client(url);
  try {
    await client.connect();
    return (await client.query<Record<string, unknown>>(text, values)).rows;
  } finally {
    await client.end();
  }
}

async function postmaster(): Promise<Postmaster> {
  const running = await findPostmaster(cluster);
  if (!running) throw new Error("no PostgreSQL runs");
  return running;
}

function parentOf(pid: number): number {
  return Number(execFileSync("ps", ["-o", "ppid=", "-p", String(pid)], { encoding: "utf8" }));
}

/** A process that ended but was not yet reaped by its parent counts as gone. */
function isAlive(pid: number): boolean {
  try {
    return !execFileSync("ps", ["-o", "stat=", "-p", String(pid)], { encoding: "utf8" }).startsWith("Z");
  } catch {
    return false;
  }
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error("it did not come to pass within 10 s");
    await sleep(20);
  }
}

function mode(path: string): string {
  return (statSync(path).mode & 0o777).toString(8);
}
