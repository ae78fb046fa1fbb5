import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { after, DAY } from "../src/clock.ts";
import { newSecretKey } from "../src/config.ts";
import { START, startTestApp, type TestApp } from "./support/app.ts";
import { Client } from "./support/client.ts";
import { deliver, openMessage, sendMessage, sent } from "./support/mail.ts";
import { employee, member, type SignedInPerson } from "./support/people.ts";
import { sql } from "./support/sql.ts";

const run = promisify(execFile);
const DAYS = 4;
let app: TestApp;
let erin: SignedInPerson;
let maria: SignedInPerson;

beforeAll(async () => {
  app = await startTestApp({ config: { session: { idleMinutes: 43_200, hours: 8_760 } } });
  [erin, maria] = [await employee(app), await member(app)];
});

afterAll(() => app.close());

test("the master key is changed while the server serves, the old one is dropped, and everything still opens", async () => {
  const letters: string[] = [];
  for (let day = 0; day < DAYS; day += 1) {
    app.clock.moveTo(after(START, day * DAY));
    letters.push((await deliver(erin, maria, { subject: `Day ${day}` })).id);
  }
  const [old = ""] = await masterKeys();
  expect(await keys("status")).toBe(`The present master key is ${old}.\n${old} wraps ${DAYS + 1} data key(s).\n`);

  await keys("rotate");
  const [present = "", ...others] = await masterKeys();
  expect(others).toEqual([old]);
  await expect(keys("drop", old)).rejects.toThrow(`The master key ${old} still wraps ${DAYS + 1} data key(s). First: npm run keys -- rewrap`);
  await expect(keys("drop", present)).rejects.toThrow("is the one that wraps");

  const stillServing = serveUntil(keys("rewrap"), async () => {
    sent(await sendMessage(erin, { to: [maria.address], subject: "Meanwhile" }));
    for (const id of letters) await openMessage(maria, id);
  });
  const { result, rounds } = await stillServing;
  expect(result).toBe(`Data keys wrapped again: ${DAYS + 1}.\n`);
  expect(rounds).toBeGreaterThan(0);
  expect(await keys("status")).toBe(`The present master key is ${present}.\n${present} wraps ${DAYS + 1} data key(s).\n`);

  expect(await keys("drop", old)).toContain(`The master key ${old} is out of the key file.`);
  expect(await masterKeys()).toEqual([present]);
  const fresh = await startTestApp({ config: app.services.config, beside: app });
  try {
    const there = { ...maria, client: new Client(fresh.url, maria.client.token) };
    for (const [day, id] of letters.entries()) expect(await openMessage(there, id)).toMatchObject({ subject: `Day ${day}` });
  } finally {
    await fresh.close();
  }
  app.clock.moveTo(after(START, DAYS * DAY));
  await deliver(erin, maria, { subject: "A day after" });
  const newest = "select master_key_id from keys.data_keys where id like 'day/%' order by id desc limit 1";
  expect(await sql(app, newest)).toEqual([{ master_key_id: present }]);
}, 120_000);

test("what cannot be done is said in one line, or with the list of what can", async () => {
  await expect(keys("drop", "none")).rejects.toThrow("holds no master key none.");
  for (const wrong of [[], ["drop"], ["delete"]]) await expect(keys(...wrong)).rejects.toThrow(/^npm run keys -- status .*\n(npm run keys -- .*\n){3}$/);
}, 120_000);

/** Runs `npm run keys -- ...` as an operator does; throws what it complains about. */
async function keys(...command: string[]): Promise<string> {
  const env = {
    PATH: process.env.PATH,
    NODE_ENV: "production",
    PARTS: "api",
    DATABASE_URL: app.databaseUrl,
    PUBLIC_URL: "https://mail.insurer.example",
    SECRET_KEY: newSecretKey(),
    AUDIT_SIGNING_KEY: "not read here",
    KEYRING: `file:${keyFile()}`,
    ORGANISATION_NAME: "Example Health",
    ORGANISATION_DOMAINS: "insurer.example",
  };
  const { stdout } = await run(process.execPath, ["--import", "tsx", "src/keys.ts", ...command], { cwd: path.join(import.meta.dirname, ".."), env }).catch(
    (error: { stderr: string }) => {
      throw new Error(error.stderr);
    },
  );
  for (const secret of (await readFile(keyFile(), "utf8")).split(/\s/).filter((word) => word.endsWith("="))) expect(stdout).not.toContain(secret);
  return stdout;
}

function keyFile(): string {
  return path.join(app.dataDir, "master-keys");
}

async function masterKeys(): Promise<string[]> {
  const lines = (await readFile(keyFile(), "utf8")).trimEnd().split("\n");
  return lines.map((line) => line.split(" ", 1).join());
}

/** Does something over and over until something else has ended; counts how often. */
async function serveUntil<T>(end: Promise<T>, round: () => Promise<void>): Promise<{ result: T; rounds: number }> {
  let ended = false;
  let rounds = 0;
  const ending = end.finally(() => (ended = true));
  for (; !ended; rounds += 1) await round();
  return { result: await ending, rounds };
}
