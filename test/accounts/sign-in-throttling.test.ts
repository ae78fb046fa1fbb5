import { ViewerDocument } from "../../operations/generated/operations.ts";
import { attemptRules } from "../../src/accounts/throttle.ts";
import { startTestApp, type TestApp } from "../support/app.ts";
import { createPerson, member, PASSWORD } from "../support/people.ts";
import { freshSource, holdAttemptTime, type SignInAnswer, trySignIn } from "../support/signing-in.ts";
import { eventsOf } from "../support/sql.ts";

let app: TestApp;
const time = holdAttemptTime();
let other: TestApp;

beforeAll(async () => {
  app = await startTestApp({ config: { trustedProxies: ["127.0.0.0/8"] } });
  other = await startTestApp({ beside: app, config: { trustedProxies: ["127.0.0.1"] } });
});

afterAll(async () => {
  time.restore();
  await other.close();
  await app.close();
});

const perAccount = attemptRules["sign-in/account"].free;
const perSource = attemptRules["sign-in/source"].free;
const password = "a wrong password";

/** Fails to sign in so often, each time from somewhere else unless told from where. */
async function fail(userId: string, times: number, from?: string): Promise<void> {
  for (let n = 0; n < times; n += 1)
    expect(await trySignIn(app, userId, { password, from: from ?? freshSource() })).toMatchObject({ code: "INVALID_CREDENTIALS" });
}

/** Fails on so many accounts from one source, several at once. */
async function spray(prefix: string, times: number, from: (n: number) => string, node = app): Promise<void> {
  const answers = await Promise.all(Array.from({ length: times }, (_, n) => trySignIn(node, `${prefix}-${n}`, { password, from: from(n) })));
  expect(answers.filter(({ code }) => code !== "INVALID_CREDENTIALS")).toEqual([]);
}

const throttled = { code: "THROTTLED", retryAfter: expect.any(Number), token: null };

describe("an account", () => {
  test("takes ten failures, then makes everybody wait, even with the right password", async () => {
    await createPerson(app, "guessed");
    await fail("guessed", perAccount);
    expect(await trySignIn(app, "guessed", { from: freshSource() })).toMatchObject(throttled);
    expect(await trySignIn(other, " GUESSED ", { from: freshSource() })).toMatchObject(throttled);
    time.letWaitsPass();
    expect(await trySignIn(app, "guessed", { from: freshSource() })).toMatchObject({ code: null, token: expect.any(String) });
  });

  test("that nobody has answers exactly like one that somebody has", async () => {
    await createPerson(app, "somebody");
    const answers = async (userId: string): Promise<SignInAnswer[]> => {
      const seen: SignInAnswer[] = [];
      for (let n = 0; n < perAccount + 2; n += 1) {
        if (n === perAccount + 1) time.letWaitsPass();
        seen.push(await trySignIn(app, userId, { password, from: freshSource() }));
      }
      return seen;
    };
    const known = await answers("somebody");
    expect(known.map(({ code }) => code)).toEqual([...Array<string>(perAccount).fill("INVALID_CREDENTIALS"), "THROTTLED", "INVALID_CREDENTIALS"]);
    expect(await answers("nobody-at-all")).toEqual(known);
  });

  test("forgets its failures when its owner signs in", async () => {
    await createPerson(app, "clumsy");
    for (let n = 0; n < 3; n += 1) {
      await fail("clumsy", perAccount - 1);
      expect(await trySignIn(app, "clumsy", { from: freshSource() })).toMatchObject({ code: null });
    }
  });

  test("lets its owner in on a known device while strangers try, and does not forgive the strangers for it", async () => {
    await createPerson(app, "besieged");
    const { cookies } = await trySignIn(app, "besieged", { from: freshSource() });
    const cookie = `device=${cookies.device}`;
    await fail("besieged", perAccount);
    for (let n = 0; n < 3; n += 1) {
      expect(await trySignIn(app, "besieged", { password, from: freshSource() })).toMatchObject(throttled);
      expect(await trySignIn(app, "besieged", { cookie, from: freshSource() })).toMatchObject({ code: null, token: expect.any(String) });
    }
    expect(await trySignIn(app, "besieged", { cookie: "device=" + "x".repeat(43), from: freshSource() })).toMatchObject(throttled);
    await createPerson(app, "neighbour");
    const foreign = await trySignIn(app, "neighbour", { from: freshSource() });
    expect(await trySignIn(app, "besieged", { cookie: `device=${foreign.cookies.device}`, from: freshSource() })).toMatchObject(throttled);
  });

  test("makes a known device wait too, by itself, once it has failed ten times", async () => {
    await createPerson(app, "stolen-laptop");
    const { deviceToken } = await trySignIn(app, "stolen-laptop", { from: freshSource() });
    if (deviceToken === null) throw new Error("The device got no token");
    for (let n = 0; n < perAccount; n += 1)
      expect(await trySignIn(app, "stolen-laptop", { password, deviceToken })).toMatchObject({ code: "INVALID_CREDENTIALS" });
    expect(await trySignIn(app, "stolen-laptop", { deviceToken })).toMatchObject(throttled);
    expect(await trySignIn(app, "stolen-laptop", { from: freshSource() })).toMatchObject({ code: null });
  });
});

describe("a source", () => {
  test("that sprays many accounts is limited, whoever they are, and recorded once", async () => {
    const from = freshSource();
    await createPerson(app, "sprayed");
    const known = (await eventsOf(app)).length;
    const codes: (string | null)[] = [];
    for (let n = 0; n < perSource + 10; n += 1) codes.push((await trySignIn(app, `victim-${n}`, { password, from })).code);
    expect(codes).toEqual([...Array<string>(perSource).fill("INVALID_CREDENTIALS"), ...Array<string>(10).fill("THROTTLED")]);
    expect(await trySignIn(other, "sprayed", { from })).toMatchObject(throttled);
    expect(await trySignIn(app, "sprayed", { from: freshSource() })).toMatchObject({ code: null });
    const events = (await eventsOf(app)).slice(known).filter(({ action }) => action === "sign-in.throttled");
    expect(events).toEqual([{ action: "sign-in.throttled", actor_id: null, subject_id: null, message_id: null, code: "sign-in/source" }]);
    expect(app.logged.filter((line) => line.includes("attempts have to wait") && line.includes(`"${from}"`))).toHaveLength(1);
  });

  test("is not forgiven because somebody there signs in", async () => {
    const from = freshSource();
    await createPerson(app, "colleague");
    await spray("typo", perSource - 1, () => from);
    for (let n = 0; n < 5; n += 1) expect(await trySignIn(app, "colleague", { from })).toMatchObject({ code: null });
    await fail("typo", 1, from);
    expect(await trySignIn(app, "colleague", { from })).toMatchObject(throttled);
    time.letWaitsPass();
    expect(await trySignIn(app, "colleague", { from })).toMatchObject({ code: null });
    await fail("another-typo", 1, from); // Of which the wait is now four seconds: the sign-in began none
    expect((await trySignIn(app, "colleague", { from })).retryAfter).toBe(4);
  });

  test("keeps nobody waiting longer than a minute, and a known device not at all", async () => {
    const from = freshSource();
    await createPerson(app, "regular");
    const { cookies } = await trySignIn(app, "regular", { from });
    await spray("stranger", perSource, () => from);
    for (let n = 0; n < 8; n += 1) {
      time.letWaitsPass(60);
      await fail(`late-stranger-${n}`, 1, from);
    }
    const { retryAfter } = await trySignIn(app, "somebody-else", { from });
    expect(retryAfter).toBe(60);
    expect(await trySignIn(app, "regular", { from, cookie: `device=${cookies.device}` })).toMatchObject({ code: null });
  });

  test("is an IPv6 network of 64 bits, not an address in it", async () => {
    await spray("six", perSource, (n) => `2001:db8:7:7::${n.toString(16)}`);
    expect(await trySignIn(app, "six", { password, from: "2001:db8:7:7:ffff::1" })).toMatchObject(throttled);
    expect(await trySignIn(app, "six", { password, from: "2001:db8:7:8::1" })).toMatchObject({ code: "INVALID_CREDENTIALS" });
  });

  test("is what the trusted proxy saw last, whatever the client wrote before it", async () => {
    const from = freshSource();
    await spray("hidden", perSource, () => `${freshSource()}, ${from}`);
    expect(await trySignIn(app, "hidden", { password, from: `${freshSource()}, ${from}` })).toMatchObject(throttled);
  });

  test("is the connection's own where no proxy is trusted, whatever X-Forwarded-For says", async () => {
    for (const trustedProxies of [[], ["10.0.0.0/8"]]) {
      time.letAttemptsExpire();
      const direct = await startTestApp({ beside: app, config: { trustedProxies } });
      try {
        await spray("direct", perSource, freshSource, direct);
        expect(await trySignIn(direct, "direct", { password, from: freshSource() })).toMatchObject(throttled);
      } finally {
        await direct.close();
        time.letAttemptsExpire();
      }
    }
  });
});

describe("a document", () => {
  const field = `signIn(input: { userId: "batched", password: "${PASSWORD}" }) { ... on SignInPayload { token } ... on Problem { code } }`;
  const guesses = async (body: unknown): Promise<string> => {
    const response = await fetch(`${app.url}/graphql`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
    return response.text();
  };

  test("makes one guess at most, by whatever trick it asks for more", async () => {
    await createPerson(app, "batched");
    expect(await guesses({ query: `mutation { ${field} }` })).toContain('"token"');
    const aliased = Array.from({ length: 5 }, (_, n) => `a${n}: ${field}`).join(" ");
    for (const body of [
      { query: `mutation { ${aliased} }` },
      { query: `mutation { ...F } fragment F on Mutation { ${aliased} }` },
      { query: `mutation { ... on Mutation { ${aliased} } }` },
      Array.from({ length: 5 }, () => ({ query: `mutation { ${field} }` })),
      { query: `mutation A { ${field} } mutation B { ${field} }` },
    ]) {
      expect(await guesses(body)).not.toContain('"token"');
    }
    const two = { query: `mutation A { ${field} } mutation B { ${field} }`, operationName: "A" };
    expect(JSON.parse(await guesses(two))).toMatchObject({ data: { signIn: { token: expect.any(String) } } });
  });

  test("of ten requests at once counts like ten, one after the other", async () => {
    const answers = await Promise.all(Array.from({ length: 40 }, () => trySignIn(app, "raced", { password, from: freshSource() })));
    expect(answers.filter(({ code }) => code === "INVALID_CREDENTIALS")).toHaveLength(perAccount);
    expect(answers.filter(({ code }) => code === "THROTTLED")).toHaveLength(40 - perAccount);
  });
});

test("where nothing can be counted nobody is let in, not even with the right password", async () => {
  await createPerson(app, "uncounted");
  expect(await trySignIn(app, "uncounted", { from: freshSource() })).toMatchObject({ code: null });
  const blocker = await app.owner.connect();
  try {
    await blocker.query("begin; lock table attempts in access exclusive mode");
    expect(await trySignIn(app, "uncounted", { from: freshSource() })).toMatchObject({ code: "UNAVAILABLE", token: null });
  } finally {
    await blocker.query("rollback");
    blocker.release();
  }
  expect(await trySignIn(app, "uncounted", { from: freshSource() })).toMatchObject({ code: null });
});

test.each<[string, (n: number) => { userId: string; from: string }]>([
  ["on one account", () => ({ userId: "flooded", from: freshSource() })],
  ["from one source", (n) => ({ userId: `flooded-${n}`, from: "192.0.2.99" })],
  ["on many accounts from everywhere", (n) => ({ userId: `flooded-too-${n}`, from: freshSource() })],
])("a flood of 300 sign-ins %s is answered, its excess with THROTTLED, and everybody else is served meanwhile", async (name, attempt) => {
  const { client } = await member(app, `reader-${name.replaceAll(" ", "-")}`);
  const flood = Promise.all(
    Array.from({ length: 300 }, async (_, n) => {
      const { userId, from } = attempt(n);
      return trySignIn(app, userId, { password, from });
    }),
  );
  for (const { viewer } of await Promise.all(Array.from({ length: 20 }, () => client.run(ViewerDocument, {})))) expect(viewer?.mailboxes).toHaveLength(1);
  const answers = await flood;
  expect(answers.filter(({ code }) => code !== "INVALID_CREDENTIALS" && code !== "THROTTLED")).toEqual([]);
  const excess = answers.filter(({ code }) => code === "THROTTLED");
  expect(excess.length).toBeGreaterThan(100);
  for (const { retryAfter } of excess) expect(retryAfter).toBeGreaterThan(0);
});

test("a known and an unknown user ID take the same time, on the way to being refused and while they have to wait", async () => {
  await createPerson(app, "timed");
  const rounds = 40;
  const measured: Record<string, number[]> = { "known, refused": [], "unknown, refused": [], "known, waiting": [], "unknown, waiting": [] };
  const measure = async (what: string, userId: string, code: string): Promise<void> => {
    const from = freshSource();
    const start = performance.now();
    const answer = await trySignIn(app, userId, { password, from });
    measured[what]?.push(performance.now() - start);
    expect(answer.code).toBe(code);
  };
  for (let n = 0; n < rounds; n += 1) {
    if (n % 5 === 0) time.letAttemptsExpire();
    for (const [what, userId] of n % 2 === 0
      ? ([
          ["known", "timed"],
          ["unknown", "never-was"],
        ] as const)
      : ([
          ["unknown", "never-was"],
          ["known", "timed"],
        ] as const))
      await measure(`${what}, refused`, userId, "INVALID_CREDENTIALS");
  }
  time.letAttemptsExpire();
  for (const userId of ["timed", "never-was"]) await fail(userId, perAccount);
  for (let n = 0; n < perAccount; n += 1) {
    await measure("known, waiting", "timed", "THROTTLED");
    await measure("unknown, waiting", "never-was", "THROTTLED");
    if ((n + 1) % 3 === 0) {
      time.letWaitsPass();
      for (const userId of ["timed", "never-was"]) await fail(userId, 1);
    }
  }
  process.stdout.write(
    `${Object.entries(measured)
      .map(([what, times]) => lineOf(what, times))
      .join("\n")}\n`,
  );
  for (const how of ["refused", "waiting"]) {
    const [known = [], unknown = []] = [measured[`known, ${how}`], measured[`unknown, ${how}`]];
    const difference = quantile(
      known.map((time, n) => time - (unknown[n] ?? NaN)),
      0.5,
    );
    // On a busy machine as much as one and the same request differs from itself
    const noise = (quantile(known, 0.75) - quantile(known, 0.25)) / 2;
    expect({ how, difference, isWithinNoise: Math.abs(difference) < Math.max(5, noise) }).toMatchObject({ isWithinNoise: true });
  }
});

function quantile(times: readonly number[], share: number): number {
  const sorted = times.toSorted((a, b) => a - b);
  return sorted[Math.min(Math.floor(sorted.length * share), sorted.length - 1)] ?? NaN;
}

function lineOf(what: string, times: readonly number[]): string {
  const parts = [0, 0.25, 0.5, 0.75, 0.9].map((share) => `p${share * 100} ${quantile(times, share).toFixed(2)}`);
  return `${what.padEnd(18)} n ${times.length}  ${parts.join("  ")} ms`;
}
