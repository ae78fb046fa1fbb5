import { randomUUID } from "node:crypto";
import { SessionsDocument, SignInMethodsDocument, SignOutDocument, ViewerDocument } from "../../operations/generated/operations.ts";
import { AccountKind } from "../../src/accounts/account.ts";
import { MINUTE } from "../../src/clock.ts";
import { sweep } from "../../src/retention/sweep.ts";
import { startTestApp, type TestApp } from "../support/app.ts";
import { Browser, type Page } from "../support/browser.ts";
import { Client } from "../support/client.ts";
import { eventually } from "../support/eventually.ts";
import { freePort } from "../support/free-port.ts";
import { type IdentityProvider, type ProviderPerson, startIdentityProvider } from "../support/identity-provider.ts";
import { createPerson, createTeam, employee, PASSWORD } from "../support/people.ts";
import { eventsOf, sql } from "../support/sql.ts";

let app: TestApp;
let provider: IdentityProvider;

beforeAll(async () => {
  const port = await freePort();
  const publicUrl = `http://127.0.0.1:${port}`;
  provider = await startIdentityProvider(publicUrl);
  app = await startTestApp({ config: { port, publicUrl, singleSignOn: provider.settings } });
});

afterAll(async () => {
  await app.close();
  await provider.close();
});

describe("an employee who signs in with the organisation's provider", () => {
  test("gets an account without a password, a mailbox and a session, and lands on the mailbox", async () => {
    known("anna", { name: "  Anna\u202e  Berg ", locale: "es-MX" });
    const browser = new Browser();
    const page = await provider.signIn(browser, start(), "anna");
    expect(page).toMatchObject({ status: 200, url: expect.stringContaining("/sign-in/oidc/callback?") });
    expect(page.html).toContain('content="0;url=&#47;"'.replace("&#47;", "/"));
    expect(page.headers.get("cache-control")).toBe("no-store");

    const client = clientOf(browser);
    const { viewer } = await client.run(ViewerDocument, {});
    expect(viewer?.account).toMatchObject({ userId: "anna@insurer.example", displayName: "Anna Berg", address: "anna@insurer.example", kind: "EMPLOYEE" });
    expect(viewer?.mailboxes).toHaveLength(1);
    expect((await client.run(SessionsDocument, {})).sessions).toMatchObject([{ isCurrent: true }]);
    expect(
      await sql(app, "select s.method, a.password_hash, a.language from sessions s join accounts a on a.id = s.account_id where a.user_id = $1", [
        "anna@insurer.example",
      ]),
    ).toEqual([{ method: "SINGLE_SIGN_ON", password_hash: null, language: "ES" }]);
    expect(await actionsAbout("anna@insurer.example")).toEqual(["account.created SINGLE_SIGN_ON", "identity.linked OIDC", "session.started SINGLE_SIGN_ON"]);
    expect(await codeOfPassword("anna@insurer.example", "")).toBe("INVALID_CREDENTIALS");
  });

  test("is the same account the next time, whatever its name is then", async () => {
    known("bela");
    await signedIn("bela");
    known("bela", { name: "Bela Renamed" });
    const again = await signedIn("bela");
    expect((await again.run(ViewerDocument, {})).viewer?.account.displayName).toBe("Bela Renamed");
    expect(await sql(app, "select id from accounts where address = 'bela@insurer.example'")).toHaveLength(1);
  });

  test("goes where they wanted, if it is a path of ours", async () => {
    known("dana");
    const landing = async (returnTo: string): Promise<string | undefined> => {
      const page = await provider.signIn(new Browser(), `${start()}?returnTo=${encodeURIComponent(returnTo)}`, "dana");
      return /content="0;url=([^"]*)"/.exec(page.html)?.[1];
    };
    expect(await landing("/mailbox/7?folder=sent#top")).toBe("/mailbox/7?folder=sent#top");
    for (const elsewhere of [
      "https://evil.example/",
      "//evil.example",
      "/\\evil.example",
      "/\t/evil.example",
      "javascript:alert(1)",
      "/..//evil.example",
      "/.//evil.example/x",
      "/sign-in/oidc",
      "@evil.example",
      "",
    ])
      expect(await landing(elsewhere)).toBe("/");
  });

  test("keeps the account that they had, with its password, if its address is theirs and an employee's", async () => {
    const carl = await employee(app, "carl");
    known("carl");
    const client = await signedIn("carl");
    expect((await client.run(ViewerDocument, {})).viewer?.account).toMatchObject({ userId: "carl", displayName: "Person carl" });
    expect(await codeOfPassword("carl", PASSWORD)).toBeNull();
    expect((await eventsOf(app)).filter(({ subject_id, action }) => subject_id === carl.accountId && action === "identity.linked")).toHaveLength(1);
  });

  test("is followed to a new address, and keeps the mailbox of the old one", async () => {
    known("eva", { email: "eva.old@insurer.example" });
    const before = (await (await signedIn("eva")).run(ViewerDocument, {})).viewer;
    known("eva", { email: "eva.new@insurer.example" });
    const after = (await (await signedIn("eva")).run(ViewerDocument, {})).viewer;
    expect(after?.account).toMatchObject({ id: before?.account.id, address: "eva.new@insurer.example" });
    expect(after?.mailboxes.map(({ address }) => address).toSorted()).toEqual(["eva.new@insurer.example", "eva.old@insurer.example"]);
  });

  test("starts one account where two first sign-ins come at once", async () => {
    known("twin");
    const clients = await Promise.all([signedIn("twin"), signedIn("twin"), signedIn("twin")]);
    const ids = await Promise.all(clients.map(async (client) => (await client.run(ViewerDocument, {})).viewer?.account.id));
    expect(new Set(ids).size).toBe(1);
  });
});

describe("nobody gets in", () => {
  test.each<[string, Partial<ProviderPerson>, string]>([
    ["whose address the provider has not verified", { email_verified: false }, "ADDRESS_UNVERIFIED"],
    ["of whose address the provider does not say that it is verified", { email_verified: undefined }, "ADDRESS_UNVERIFIED"],
    ["of whose address it says something else than yes", { email_verified: "yes" }, "ADDRESS_UNVERIFIED"],
    ["of another domain", { email: "sly@mail.example" }, "FOREIGN_DOMAIN"],
    ["of a sub-domain", { email: "sly@sub.insurer.example" }, "FOREIGN_DOMAIN"],
    ["of a domain that begins with ours", { email: "sly@insurer.example.evil.example" }, "FOREIGN_DOMAIN"],
    ["of a domain that ends with ours", { email: "sly@evil-insurer.example" }, "FOREIGN_DOMAIN"],
    ["with our domain before another", { email: "insurer.example@evil.example" }, "FOREIGN_DOMAIN"],
    ["with letters that only look like ours", { email: "sly@іnsurer.example" }, "FOREIGN_DOMAIN"],
    ["with full-width letters", { email: "sly@ｉnsurer.example" }, "FOREIGN_DOMAIN"],
    ["with a dot at the end", { email: "sly@insurer.example." }, "FOREIGN_DOMAIN"],
    ["with two addresses", { email: "sly@mail.example,sly@insurer.example" }, "FOREIGN_DOMAIN"],
    ["with an address behind a name", { email: "sly@mail.example <sly@insurer.example>" }, "FOREIGN_DOMAIN"],
    ["with a quoted local part", { email: '"sly@mail.example"@insurer.example' }, "FOREIGN_DOMAIN"],
    ["without an address", { email: "" }, "FOREIGN_DOMAIN"],
  ])("%s", async (_who, claims, code) => {
    const subject = randomUUID();
    known(subject, { email: "sly@insurer.example", ...claims });
    const browser = new Browser();
    expectPage(await provider.signIn(browser, start(), subject), 403, "FORBIDDEN");
    expect(browser.cookie(app.url, "session")).toBeUndefined();
    expect((await eventsOf(app)).at(-1)).toMatchObject({ action: "sign-in.refused", code, actor_id: null });
    expect(await sql(app, "select id from accounts where address like 'sly%'")).toEqual([]);
  });

  test("of our domain at an address that an external person's account, a team or somebody else's mailbox has", async () => {
    const outsider = await createPerson(app, "outsider");
    await sql(app, "update accounts set address = 'outsider@insurer.example' where id = $1", [outsider.accountId]);
    const holder = await employee(app, "holder");
    await createTeam(app, "claims", [holder]);
    await sql(app, "update accounts set address = 'moved@insurer.example' where id = $1", [holder.accountId]);
    for (const address of ["outsider@insurer.example", "claims@insurer.example", "holder@insurer.example"]) {
      const subject = randomUUID();
      known(subject, { email: address });
      expectPage(await provider.signIn(new Browser(), start(), subject), 403, "FORBIDDEN");
      expect((await eventsOf(app)).at(-1)).toMatchObject({ action: "sign-in.refused", code: "ADDRESS_TAKEN" });
    }
    expect(await sql(app, "select kind from mailboxes where address = 'claims@insurer.example'")).toEqual([{ kind: "TEAM" }]);
  });

  test("who was given the address of somebody before them", async () => {
    known("first-owner", { email: "desk@insurer.example" });
    await signedIn("first-owner");
    known("second-owner", { email: "desk@insurer.example" });
    expectPage(await provider.signIn(new Browser(), start(), "second-owner"), 403, "FORBIDDEN");
    expect((await eventsOf(app)).at(-1)).toMatchObject({ code: "ADDRESS_TAKEN" });
    await signedIn("first-owner");
  });

  test("whose account is disabled, however they are linked", async () => {
    known("gone");
    await signedIn("gone");
    await employee(app, "never");
    known("never");
    await sql(app, "update accounts set disabled_at = $1 where address in ('gone@insurer.example', 'never@insurer.example')", [app.clock.now()]);
    for (const subject of ["gone", "never"]) {
      expectPage(await provider.signIn(new Browser(), start(), subject), 403, "FORBIDDEN");
      expect((await eventsOf(app)).at(-1)).toMatchObject({ code: "ACCOUNT_DISABLED" });
    }
  });
});

describe("groups", () => {
  test("make administrators, take it away at the next sign-in, and end the sessions of the higher role", async () => {
    known("ada", { groups: ["staff", "mailbox-admins"] });
    const administrator = await signedIn("ada");
    expect(await kindOf(administrator)).toBe("ADMINISTRATOR");
    const stillAdministrator = await signedIn("ada");
    expect(await kindOf(administrator)).toBe("ADMINISTRATOR");

    known("ada", { groups: ["staff", "mailbox-admins-of-old"] });
    expect(await kindOf(await signedIn("ada"))).toBe("ADMINISTRATOR"); // The last one: somebody must be able to mend it
    expect(await actionsAbout("ada@insurer.example")).toContain("account.kind-kept ");
    known("amy", { groups: ["mailbox-admins"] });
    await signedIn("amy");
    const again = await signedIn("ada");
    expect(await kindOf(again)).toBe("EMPLOYEE");
    for (const ended of [administrator, stillAdministrator]) expect(await kindOf(ended)).toBeUndefined();
    expect(await actionsAbout("ada@insurer.example")).toEqual(
      expect.arrayContaining(["account.kind-changed EMPLOYEE", "session.ended ROLE_CHANGED", "session.ended ROLE_CHANGED"]),
    );

    known("ada", { groups: "mailbox-admins" });
    expect(await kindOf(await signedIn("ada"))).toBe("ADMINISTRATOR");
    expect(await kindOf(again)).toBeUndefined();
  });

  test("say who may enter; whoever lost that group loses role and sessions with it", async () => {
    const port = await freePort();
    const publicUrl = `http://127.0.0.1:${port}`;
    const other = await startIdentityProvider(publicUrl);
    const strict = await startTestApp({ beside: app, config: { port, publicUrl, singleSignOn: { ...other.settings, employeeGroup: "mailbox" } } });
    try {
      const enter = async (groups: string[]): Promise<{ page: Page; client: Client }> => {
        other.people.set("gus", { email: "gus@insurer.example", email_verified: true, name: "Gus", groups });
        const browser = new Browser();
        const page = await other.signIn(browser, `${publicUrl}/sign-in/oidc`, "gus");
        return { page, client: new Client(publicUrl, browser.cookie(publicUrl, "session") ?? null) };
      };
      expectPage((await enter(["staff"])).page, 403, "FORBIDDEN");
      const { client } = await enter(["mailbox", "mailbox-admins"]);
      expect(await kindOf(client)).toBe("ADMINISTRATOR");
      expect(await kindOf((await enter(["mailbox-admins"])).client)).toBe("ADMINISTRATOR");
      expectPage((await enter(["staff"])).page, 403, "FORBIDDEN");
      await eventually(async () => expect(await kindOf(client)).toBeUndefined());
      expect(await sql(app, "select kind from accounts where address = 'gus@insurer.example'")).toEqual([{ kind: "EMPLOYEE" }]);
    } finally {
      await strict.close();
      await other.close();
    }
  });

  test("say nothing of roles where no group is named for administrators", async () => {
    const port = await freePort();
    const publicUrl = `http://127.0.0.1:${port}`;
    const other = await startIdentityProvider(publicUrl);
    const plain = await startTestApp({ beside: app, config: { port, publicUrl, singleSignOn: { ...other.settings, adminGroup: null } } });
    try {
      await createPerson(app, "root", AccountKind.ADMINISTRATOR);
      other.people.set("root", { email: "root@insurer.example", email_verified: true, name: "Root" });
      const browser = new Browser();
      await other.signIn(browser, `${publicUrl}/sign-in/oidc`, "root");
      expect(await kindOf(new Client(publicUrl, browser.cookie(publicUrl, "session")))).toBe("ADMINISTRATOR");
    } finally {
      await plain.close();
      await other.close();
    }
  });
});

describe("the way to the provider and back", () => {
  const callback = /\/sign-in\/oidc\/callback/;

  test("carries state, nonce and a PKCE challenge, and the browser a cookie that no script reads", async () => {
    const response = await fetch(start(), { redirect: "manual" });
    const url = new URL(response.headers.get("location") ?? "");
    expect(response.status).toBe(303);
    expect(url.origin).toBe(provider.url);
    expect(Object.fromEntries(url.searchParams)).toEqual({
      client_id: provider.settings.clientId,
      response_type: "code",
      scope: "openid email profile groups",
      redirect_uri: `${app.url}/sign-in/oidc/callback`,
      state: expect.stringMatching(/^[\w-]{43}$/),
      nonce: expect.stringMatching(/^[\w-]{43}$/),
      code_challenge: expect.stringMatching(/^[\w-]{43}$/),
      code_challenge_method: "S256",
    });
    expect(response.headers.get("set-cookie")).toMatch(/^sso=[\w-]{43}; Max-Age=600; Path=\/; HttpOnly; SameSite=Lax$/);
  });

  test("uses a __Host- cookie where people come by https, and never an address that a header names", async () => {
    const port = await freePort();
    const secure = await startTestApp({ beside: app, config: { port, publicUrl: "https://mail.insurer.example", singleSignOn: provider.settings } });
    try {
      const headers = { "x-forwarded-host": "evil.example", "x-forwarded-proto": "http", forwarded: "host=evil.example" };
      const response = await fetch(`http://127.0.0.1:${port}/sign-in/oidc`, { redirect: "manual", headers });
      expect(response.headers.get("set-cookie")).toMatch(/^__Host-sso=[\w-]{43}; Max-Age=600; Path=\/; HttpOnly; Secure; SameSite=Lax$/);
      const { searchParams } = new URL(response.headers.get("location") ?? "");
      expect(searchParams.get("redirect_uri")).toBe("https://mail.insurer.example/sign-in/oidc/callback");
    } finally {
      await secure.close();
    }
  });

  test("needs the verifier: a code alone, with the client's secret, is worth nothing", async () => {
    known("pia");
    const back = await provider.signIn(new Browser(), start(), "pia", { until: callback });
    const exchange = (extra: Record<string, string>): Promise<Response> =>
      fetch(`${provider.url}/token`, {
        method: "POST",
        headers: {
          authorization: `Basic ${btoa(`${provider.settings.clientId}:${encodeURIComponent(provider.settings.clientSecret).replaceAll("%20", "+")}`)}`,
        },
        body: new URLSearchParams({
          grant_type: "authorization_code",
          code: new URL(back.url).searchParams.get("code") ?? "",
          redirect_uri: `${app.url}/sign-in/oidc/callback`,
          ...extra,
        }),
      });
    expect(await (await exchange({})).json()).toMatchObject({ error: "invalid_grant" });
    expect(await (await exchange({ code_verifier: "x".repeat(43) })).json()).toMatchObject({ error: "invalid_grant" });
  });

  test("is refused with another state, to another browser, a second time, and after ten minutes", async () => {
    known("rob");
    const browser = new Browser();
    const back = async (): Promise<string> => (await provider.signIn(browser, start(), "rob", { until: callback })).url;

    const otherState = new URL(await back());
    otherState.searchParams.set("state", "x".repeat(43));
    expectPage(await browser.open(otherState.href), 400, "INVALID_INPUT");
    expectPage(await new Browser().open(await back()), 400, "INVALID_INPUT");

    const good = await back();
    expect(await browser.open(good)).toMatchObject({ status: 200 });
    expectPage(await browser.open(good), 400, "INVALID_INPUT");

    const late = await back();
    app.clock.advance(10 * MINUTE);
    expectPage(await browser.open(late), 400, "INVALID_INPUT");
    expect(await browser.open(await back())).toMatchObject({ status: 200 });
  });

  test("is refused with a code that was used, and with one that somebody else was given", async () => {
    known("tom");
    known("eve");
    const browser = new Browser();
    const used = new URL((await provider.signIn(browser, start(), "tom", { until: callback })).url);
    expect(await browser.open(used.href)).toMatchObject({ status: 200 });
    const stolen = new URL((await provider.signIn(new Browser(), start(), "eve", { until: callback })).url);
    for (const { searchParams } of [used, stolen]) {
      const fresh = new URL((await provider.signIn(browser, start(), "tom", { until: callback })).url);
      fresh.searchParams.set("code", searchParams.get("code") ?? "");
      expectPage(await browser.open(fresh.href), 400, "INVALID_INPUT");
    }
  });

  test("is refused with another nonce, or in another provider's name", async () => {
    known("ned");
    const change = (url: URL): void => url.searchParams.set("nonce", "x".repeat(43));
    expectPage(await provider.signIn(new Browser(), start(), "ned", { change }), 400, "INVALID_INPUT");

    const browser = new Browser();
    const mixedUp = new URL((await provider.signIn(browser, start(), "ned", { until: callback })).url);
    expect(mixedUp.searchParams.get("iss")).toBe(provider.url);
    mixedUp.searchParams.set("iss", "https://evil.example");
    expectPage(await browser.open(mixedUp.href), 400, "INVALID_INPUT");
    const unnamed = new URL((await provider.signIn(browser, start(), "ned", { until: callback })).url);
    unnamed.searchParams.delete("iss");
    expectPage(await browser.open(unnamed.href), 400, "INVALID_INPUT");
    expect(await provider.signIn(browser, start(), "ned")).toMatchObject({ status: 200 });
  });

  test("tells somebody whom the provider sends back with an error that they are not signed in", async () => {
    const browser = new Browser();
    const departure = await browser.open(start(), { until: /\/auth\?/ });
    const state = new URL(departure.url).searchParams.get("state") ?? "";
    const answer = new URLSearchParams({ error: "access_denied", error_description: "<script>alert(1)</script>", state, iss: provider.url });
    const page = await browser.open(`${app.url}/sign-in/oidc/callback?${answer.toString()}`);
    expectPage(page, 403, "FORBIDDEN");
    expect(page.html).not.toContain("script");
  });

  test("is refused with an ID token that the provider's keys did not sign", async () => {
    known("sig");
    provider.publishForeignKey(true);
    try {
      expectPage(await provider.signIn(new Browser(), start(), "sig"), 400, "INVALID_INPUT");
    } finally {
      provider.publishForeignKey(false);
    }
    await signedIn("sig");
  });

  test("works again at once when the provider has other keys", async () => {
    known("kim");
    await signedIn("kim");
    provider.restart();
    await signedIn("kim");
  });

  test("answers clearly while the provider is down, lets everybody else in, and works as soon as it is back", async () => {
    known("pam");
    await employee(app, "pat");
    const browser = new Browser();
    const back = await provider.signIn(browser, start(), "pam", { until: callback });
    provider.stop(true);
    try {
      expectPage(await browser.open(back.url), 503, "UNAVAILABLE");
      const page = await browser.open(start());
      expectPage(page, 503, "UNAVAILABLE");
      expect(page.headers.get("retry-after")).toBe("5");
      expect(await codeOfPassword("pat", PASSWORD)).toBeNull();
    } finally {
      provider.stop(false);
    }
    await signedIn("pam");
  });

  test("leaves nothing behind if nobody comes back", async () => {
    const count = async (): Promise<number> => (await sql(app, "select id from sign_in_requests")).length;
    await sweep(app.ctx());
    const before = await count();
    await fetch(start(), { redirect: "manual" });
    await sweep(app.ctx());
    expect(await count()).toBe(before + 1);
    app.clock.advance(10 * MINUTE);
    await sweep(app.ctx());
    expect(await count()).toBe(0);
  });

  test("leaves nothing confidential in the log, and in the database only what is sealed or hashed", async () => {
    known("log", { name: "Marker Person" });
    const browser = new Browser();
    const back = await provider.signIn(browser, start(), "log", { until: callback });
    const cookie = browser.cookie(app.url, "sso") ?? "";
    expect(cookie).toMatch(/^[\w-]{43}$/);
    const requests = JSON.stringify(await sql(app, "select encode(content, 'escape') as content, encode(cookie_hash, 'escape') as hash from sign_in_requests"));
    await browser.open(back.url);
    const sessions = JSON.stringify(await sql(app, "select encode(hint, 'escape') as hint from provider_sessions"));
    const code = new URL(back.url).searchParams.get("code") ?? "none";
    const state = new URL(back.url).searchParams.get("state") ?? "none";
    for (const secret of [cookie, code, state, "Marker Person", "log@insurer.example"]) {
      expect(app.logged.join("\n")).not.toContain(secret);
      expect(requests).not.toContain(secret);
      expect(sessions).not.toContain(secret);
    }
    expect(sessions).not.toContain("eyJ");
  });
});

test("the ways to sign in are the same for everybody, and name the provider's button", async () => {
  const expected = { password: true, passkey: true, singleSignOn: { name: "Example Health's sign-in", url: `${app.url}/sign-in/oidc` } };
  expect((await new Client(app.url).run(SignInMethodsDocument, {})).signInMethods).toEqual(expected);
  known("one");
  expect((await (await signedIn("one")).run(SignInMethodsDocument, {})).signInMethods).toEqual(expected);
  const without = await startTestApp({ beside: app });
  try {
    expect((await new Client(without.url).run(SignInMethodsDocument, {})).signInMethods.singleSignOn).toBeNull();
    expect((await fetch(`${without.url}/sign-in/oidc`)).status).toBe(404);
  } finally {
    await without.close();
  }
});

test("a form is taken for nothing but what the provider sends", async () => {
  const form = { method: "POST", body: new URLSearchParams({ query: "{ viewer { account { id } } }" }) };
  expect((await fetch(`${app.url}/graphql`, form)).status).toBe(415);
});

test("signing out tells where to end the session at the provider, too, and whoever has a password nothing of it", async () => {
  known("ora");
  const browser = new Browser();
  await provider.signIn(browser, start(), "ora");
  const { signOut } = await clientOf(browser).run(SignOutDocument, {});
  const url = new URL("redirectUrl" in signOut ? (signOut.redirectUrl ?? "") : "");
  expect(url.origin).toBe(provider.url);
  expect(url.searchParams.get("post_logout_redirect_uri")).toBe(`${app.url}/`);
  expect((await provider.signOut(browser, url.href)).url).toBe(`${app.url}/`);
  const again = await browser.open(start(), { until: /\/auth\?/ });
  expect((await browser.open(again.url)).html).toContain('name="login"'); // Signed out there: it asks who it is

  const ole = await employee(app, "ole");
  expect((await ole.client.run(SignOutDocument, {})).signOut).toMatchObject({ redirectUrl: null, signedOutAt: expect.any(String) });
});

function start(): string {
  return `${app.url}/sign-in/oidc`;
}

function known(subject: string, claims: Partial<ProviderPerson> = {}): void {
  provider.people.set(subject, { email: `${subject}@insurer.example`, email_verified: true, name: `Person ${subject}`, ...claims });
}

async function signedIn(subject: string): Promise<Client> {
  const browser = new Browser();
  const page = await provider.signIn(browser, start(), subject);
  if (page.status !== 200) throw new Error(`${subject} is not signed in: ${page.status} ${page.html} ${provider.faults.join("; ")}`);
  return clientOf(browser);
}

function clientOf(browser: Browser): Client {
  return new Client(app.url, browser.cookie(app.url, "session") ?? null);
}

async function kindOf(client: Client): Promise<string | undefined> {
  const { data } = await client.send<{ viewer: { account: { kind: string } } | null }>("{ viewer { account { kind } } }");
  return data?.viewer?.account.kind;
}

async function codeOfPassword(userId: string, password: string): Promise<unknown> {
  const query = "mutation ($input: SignInInput!) { signIn(input: $input) { ... on Problem { code } } }";
  const { data } = await new Client(app.url).send<{ signIn: { code?: string } }>(query, { input: { userId, password } });
  return data?.signIn.code ?? null;
}

async function actionsAbout(address: string): Promise<string[]> {
  const rows = await sql<{ what: string }>(
    app,
    `select e.action || ' ' || coalesce(e.code, '') as what from events e, accounts a
     where a.address = $1 and (e.subject_id = a.id or e.subject_id in (select id from sessions where account_id = a.id)) order by e.sequence`,
    [address],
  );
  return rows.map(({ what }) => what);
}

function expectPage({ status, html, headers }: Page, expected: number, code: string): void {
  expect({ status, code: /<code>([A-Z_]+)<\/code>/.exec(html)?.[1] }).toEqual({ status: expected, code });
  expect(headers.get("content-security-policy")).toBe("default-src 'none'; frame-ancestors 'none'");
}
