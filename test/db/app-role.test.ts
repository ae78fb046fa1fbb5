import { randomUUID } from "node:crypto";
import { Client, type Pool } from "pg";
import { startApp } from "../../src/app.ts";
import { createDataSource, migrate } from "../../src/data-source.ts";
import { APP_ROLE, asApplication, mustOnlyAppend } from "../../src/db/app-role.ts";
import { poolOf } from "../../src/db/database.ts";
import { record } from "../../src/ledger/record.ts";
import { sealLedger } from "../../src/ledger/seal-ledger.ts";
import { startTestApp, type TestApp } from "../support/app.ts";
import { createDatabase } from "../support/database.ts";
import { eventually } from "../support/eventually.ts";
import { sql } from "../support/sql.ts";

const APPEND_ONLY = ["events", "seals", "sealed_ranges", "published_seals"];
const DENIED = { code: "42501" };

let app: TestApp;
/** The server's own connections. */
let own: Pool;

beforeAll(async () => {
  app = await startTestApp({ config: { parts: ["api", "worker"] } });
  own = poolOf(app.services.dataSource);
  await record(app.ctx(), { action: "session.started" });
  await sealLedger(app.ctx());
  await sql(app, "insert into published_seals values (1, $1)", [app.clock.now()]);
});

afterAll(() => app.close());

test("the server writes to the ledger, and every connection that it holds has its role", async () => {
  const [before] = await sql<{ count: number }>(app, "select count(*) from events");
  await record(app.ctx(), { action: "session.started" });
  expect(await sql(app, "select count(*) from events")).toEqual([{ count: (before?.count ?? 0) + 1 }]);
  const client = new Client({ connectionString: asApplication(app.databaseUrl) });
  await client.connect();
  expect((await client.query("select current_user, session_user")).rows).toEqual([{ current_user: APP_ROLE, session_user: "postgres" }]);
  await client.query("reset role");
  expect((await client.query("select current_user")).rows).toEqual([{ current_user: APP_ROLE }]);
  await client.end();
});

test.each(APPEND_ONLY)("the server can only append to %s, which its owner could change", async (table) => {
  const [column] = table === "events" || table === "sealed_ranges" ? ["mailbox_id"] : ["number"];
  const attempts = [
    `update ${table} set ${column} = ${column}`,
    `delete from ${table}`,
    `truncate ${table}`,
    `alter table ${table} add more text`,
    `drop table ${table}`,
  ];
  for (const attempt of attempts) await expect(own.query(attempt)).rejects.toMatchObject(DENIED);
  expect((await own.query(`select from ${table}`)).rowCount).toBeGreaterThan(0);
  for (const attempt of attempts) {
    const owner = await app.owner.connect();
    await owner.query("begin");
    await owner.query(attempt);
    await owner.query("rollback");
    owner.release();
  }
});

test("nothing that the server may call lets it in by another door: it owns no table and no function, and makes none", async () => {
  expect(await sql(app, `select from pg_class where relowner = '${APP_ROLE}'::regrole`)).toEqual([]);
  expect(await sql(app, "select from pg_proc where prosecdef and pronamespace = 'public'::regnamespace")).toEqual([]);
  await expect(own.query("create table mine (id int)")).rejects.toMatchObject(DENIED);
  await expect(own.query("insert into migrations (timestamp, name) values (1, 'mine')")).rejects.toMatchObject(DENIED);
  const [{ may } = { may: null }] = await sql(
    app,
    `select rolsuper or rolcreaterole or rolcanlogin or rolbypassrls as may from pg_roles where rolname = '${APP_ROLE}'`,
  );
  expect(may).toBe(false);
});

test("a server whose connections could change the ledger does not start", async () => {
  await expect(mustOnlyAppend(own)).resolves.toBeUndefined();
  await expect(mustOnlyAppend(app.owner)).rejects.toThrow("The database role postgres may change the ledger");
});

describe("on a database of somebody who is no superuser", () => {
  const suffix = randomUUID().slice(0, 8);
  const [owner, server] = [`owner_${suffix}`, `server_${suffix}`];
  let url: string;
  let drop: () => Promise<void>;

  beforeAll(async () => {
    await sql(app, `create role ${owner} login createrole password 'secret'; create role ${server} login password 'secret'`);
    await sql(app, `grant ${APP_ROLE} to ${owner} with admin true, set false`); // As if it had made the role itself
    await sql(app, `create database ${owner} owner ${owner}`);
    const address = new URL(app.databaseUrl);
    [address.username, address.password, address.pathname] = [owner, "secret", `/${owner}`];
    url = address.href;
    drop = async () => {
      await sql(app, `drop database ${owner} with (force)`);
      await sql(app, `drop role ${server}; drop role ${owner}`);
    };
  });

  afterAll(() => drop());

  test("its owner migrates, and the server runs with a login of its own that owns nothing", async () => {
    const login = new URL(url);
    login.username = server;
    await expect(migrate(login.href)).rejects.toThrow();
    await migrate(url);
    await migrate(url);
    await sql(app, `grant ${APP_ROLE} to ${server}`);
    const started = await startApp({ ...app.services.config, databaseUrl: login.href, parts: ["api", "worker"] }, { log: app.services.log });
    try {
      await record({ ...app.ctx(), ...started.services }, { action: "attachment.released" });
      const pool = poolOf(started.services.dataSource);
      expect((await pool.query("select session_user, current_user")).rows).toEqual([{ session_user: server, current_user: APP_ROLE }]);
      await expect(pool.query("delete from events")).rejects.toMatchObject(DENIED);
    } finally {
      await started.close();
      // The worker's library ends its connections without waiting for it, and the database is dropped under them.
      const sessions = () => sql(app, "select from pg_stat_activity where usename = $1", [server]);
      await eventually(async () => expect(await sessions()).toHaveLength(0));
    }
  });
});

test("a login that owns nothing is told when the database is not up to date", async () => {
  const database = await createDatabase();
  const name = `reader_${randomUUID().slice(0, 8)}`;
  const address = new URL(database.url);
  [address.username, address.password] = [name, "secret"];
  const source = await createDataSource({ url: database.url, poolSize: 1 }).initialize();
  try {
    await source.query(`create role ${name} login password 'secret' in role ${APP_ROLE}`);
    await expect(migrate(address.href)).resolves.toBeUndefined();
    await source.query("delete from migrations where name like '0004%'");
    await expect(migrate(address.href)).rejects.toThrow("run the migration as its owner");
  } finally {
    await source.query(`drop role ${name}`);
    await source.destroy();
    await database.drop();
  }
});
