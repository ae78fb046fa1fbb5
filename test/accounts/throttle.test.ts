import { type Attempt, attemptRules, countAttempts, forgiveAttempts, networkOf, uncountAttempts } from "../../src/accounts/throttle.ts";
import { inTransaction } from "../../src/context.ts";
import { sweep } from "../../src/retention/sweep.ts";
import { Refusal } from "../../src/problem.ts";
import { startTestApp, type TestApp } from "../support/app.ts";
import { forgetAttempts, holdAttemptTime } from "../support/signing-in.ts";
import { sql } from "../support/sql.ts";

let app: TestApp;
const time = holdAttemptTime();
let other: TestApp;

beforeAll(async () => {
  app = await startTestApp();
  other = await startTestApp({ beside: app });
});

afterAll(async () => {
  time.restore();
  await other.close();
  await app.close();
});

const { free } = attemptRules["sign-in/account"];
const on = (key: string): Attempt => ({ rule: "sign-in/account", key });

/** For how many seconds an attempt is made to wait; 0 if it goes ahead. */
async function waitOf(attempts: Attempt | Attempt[], node = app): Promise<number> {
  try {
    await countAttempts(node.ctx(), ...[attempts].flat());
    return 0;
  } catch (error) {
    if (!(error instanceof Refusal) || error.problem.retryAfter === null) throw error;
    expect(error.problem.code).toBe("THROTTLED");
    return error.problem.retryAfter;
  }
}

async function spend(attempt: Attempt, times: number): Promise<void> {
  for (let n = 0; n < times; n += 1) expect(await waitOf(attempt)).toBe(0);
}

test("ten attempts are free, then each wait is twice as long as the one before, and none longer than a quarter of an hour", async () => {
  await spend(on("growing"), free);
  const waits: number[] = [];
  for (let n = 0; n < 11; n += 1) {
    waits.push(await waitOf(on("growing")));
    time.letWaitsPass();
    expect(await waitOf(on("growing"))).toBe(0);
  }
  expect(waits).toEqual([2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]);
});

test("what is refused is not counted, so that knocking makes nobody's wait longer", async () => {
  await spend(on("knocked"), free);
  for (let n = 0; n < 30; n += 1) expect(await waitOf(on("knocked"))).toBeGreaterThan(0);
  time.letWaitsPass();
  await spend(on("knocked"), 1);
  expect(await waitOf(on("knocked"))).toBeLessThanOrEqual(4);
});

test("attempts at once, on two nodes, are counted one by one", async () => {
  const waits = await Promise.all(Array.from({ length: 60 }, (_, n) => waitOf(on("at once"), n % 2 === 0 ? app : other)));
  expect(waits.filter((wait) => wait === 0)).toHaveLength(free);
  expect(Math.max(...waits)).toBeLessThanOrEqual(64);
  time.letWaitsPass();
  const later = await Promise.all(Array.from({ length: 20 }, (_, n) => waitOf(on("at once"), n % 2 === 0 ? app : other)));
  expect(later.filter((wait) => wait === 0)).toHaveLength(1);
});

test("the nodes agree", async () => {
  await spend(on("both nodes"), free);
  expect(await waitOf(on("both nodes"), other)).toBeGreaterThan(0);
  await forgiveAttempts(other.ctx(), on("both nodes"));
  expect(await waitOf(on("both nodes"))).toBe(0);
});

test("each key is counted by itself, each rule too", async () => {
  await spend(on("one"), free);
  expect(await waitOf(on("one"))).toBeGreaterThan(0);
  expect(await waitOf(on("another"))).toBe(0);
  expect(await waitOf({ rule: "sign-in/source", key: "one" })).toBe(0);
});

test("where one of several keys has to wait, none is counted", async () => {
  const [account, source] = [on("of several"), { rule: "sign-in/source", key: "of several" } as const];
  await spend(account, free);
  for (let n = 0; n < 2 * attemptRules["sign-in/source"].free; n += 1) expect(await waitOf([source, account])).toBeGreaterThan(0);
  expect(await waitOf(source)).toBe(0);
});

test("counting begins afresh once it is long ago, and for whoever is forgiven", async () => {
  await spend(on("long ago"), free);
  expect(await waitOf(on("long ago"))).toBeGreaterThan(0);
  time.letAttemptsExpire();
  await spend(on("long ago"), free);
  expect(await waitOf(on("long ago"))).toBeGreaterThan(0);
  await forgiveAttempts(app.ctx(), on("long ago"));
  await spend(on("long ago"), free);
});

test("an attempt that was none can be taken back", async () => {
  for (let n = 0; n < 2 * free; n += 1) {
    await uncountAttempts(app.ctx(), ...(await countAttempts(app.ctx(), on("taken back"))));
  }
  await spend(on("taken back"), free - 1);
  await uncountAttempts(app.ctx(), ...(await countAttempts(app.ctx(), on("taken back")))); // With the wait that it began
  await spend(on("taken back"), 1);
  expect(await waitOf(on("taken back"))).toBeGreaterThan(0);
});

test("what was counted stays counted when the caller's transaction comes to nothing", async () => {
  const undone = async (): Promise<void> =>
    inTransaction(app.ctx(), async (ctx) => {
      await countAttempts(ctx, on("rolled back"));
      throw new Error("Undo all this");
    });
  for (let n = 0; n < free; n += 1) await expect(undone()).rejects.toThrow("Undo all this");
  await expect(undone()).rejects.toBeInstanceOf(Refusal);
});

test("the database does not tell what was counted, and forgets it once it has expired", async () => {
  const kept = async (): Promise<string[]> => (await sql<{ key: string }>(app, "select key from attempts")).map(({ key }) => key);
  expect(await waitOf(on("somebody-known"))).toBe(0);
  expect(await waitOf({ rule: "sign-in/source", key: "203.0.113.77" })).toBe(0);
  expect(await kept()).toEqual(expect.arrayContaining([expect.stringMatching(/^sign-in\/account:[\w-]{43}$/)]));
  expect((await kept()).join()).not.toMatch(/somebody-known|203\.0\.113\.77/);
  await forgetAttempts(app);
  expect(await waitOf(on("still counted"))).toBe(0);
  await sweep(app.ctx());
  expect(await kept()).toHaveLength(1);
});

test.each([
  ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
  ["2001:db8:1:2::9", "2001:db8:1:2::/64"],
  ["2001:DB8::1", "2001:db8:0:0::/64"],
  ["::1", "0:0:0:0::/64"],
  ["fe80::1%eth0", "fe80:0:0:0::/64"],
  ["::ffff:203.0.113.9", "203.0.113.9"],
  ["203.0.113.9", "203.0.113.9"],
  ["a user ID", "a user ID"],
])("a request from %s counts for %s", (address, network) => {
  expect(networkOf(address)).toBe(network);
});
