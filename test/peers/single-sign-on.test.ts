import { type Browser, chromium, type Page } from "playwright-core";
import { startTestApp, type TestApp } from "../support/app.ts";
import { freePort } from "../support/free-port.ts";
import { startIdentityProvider } from "../support/identity-provider.ts";
import { listenOnLoopback, type Loopback } from "../support/loopback.ts";
import { createSamlIdentityProvider, type SamlIdentityProvider } from "../support/saml-identity-provider.ts";

/*
 * What a real browser makes of our cookies where another site is involved: the provider is at 127.0.0.1 and we are at
 * localhost, which are two sites to Chromium. It has its own clock: a cookie of another time would have expired.
 */
let browser: Browser;

beforeAll(async () => {
  browser = await chromium.launch({
    executablePath: "/usr/bin/chromium",
    args: [
      "--headless",
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
});

afterAll(() => browser.close());

test("OpenID Connect signs a browser in, and its Strict cookie comes along to the page where it lands", async () => {
  const { port, publicUrl } = await ownAddress();
  const provider = await startIdentityProvider(publicUrl);
  const app = await startTestApp({ startAt: new Date(), config: { port, publicUrl, singleSignOn: provider.settings } });
  provider.people.set("anna", { email: "anna@insurer.example", email_verified: true, name: "Anna Berg" });
  try {
    await inPage(async (page) => {
      const landing = landingOf(page, publicUrl);
      await page.goto(`${publicUrl}/sign-in/oidc?returnTo=${LANDING}`);
      await page.fill("input[name=login]", "anna");
      await page.fill("input[name=password]", "any");
      await page.click("button[type=submit]");
      await expectSignedIn(page, app, await landing, "anna@insurer.example");
    });
  } finally {
    await app.close();
    await provider.close();
  }
});

describe("SAML", () => {
  let app: TestApp;
  let provider: SamlIdentityProvider;
  let pages: Loopback;
  /** What the provider's page posts by itself. */
  let lastAnswer = "";

  beforeAll(async () => {
    const { port, publicUrl } = await ownAddress();
    provider = await createSamlIdentityProvider(publicUrl);
    pages = await listenOnLoopback((request, response) => {
      const requested = new URL(request.url ?? "/", "http://127.0.0.1");
      if (requested.searchParams.has("SAMLRequest")) lastAnswer = btoa(provider.answer(provider.read(requested.href).id));
      response.setHeader("content-type", "text/html");
      if (requested.pathname === "/link") return void response.end(`<a href="${publicUrl}${LANDING}">A link</a>`);
      response.end(
        `<form method="post" action="${publicUrl}/sign-in/saml/acs"><input type="hidden" name="SAMLResponse" value="${lastAnswer}"></form><script>document.forms[0].submit()</script>`,
      );
    });
    app = await startTestApp({ startAt: new Date(), config: { port, publicUrl, singleSignOn: { ...provider.settings, entryPoint: `${pages.url}/sso` } } });
  });

  afterAll(async () => {
    await app.close();
    await pages.close();
    await provider.close();
  });

  test("signs a browser in, although the provider's form brings no cookie, and the Strict cookie comes along at the end", async () => {
    await inPage(async (page) => {
      const posted = page.waitForRequest((request) => request.method() === "POST");
      const landing = landingOf(page, app.url);
      await page.goto(`${app.url}/sign-in/saml?returnTo=${LANDING}`);
      expect((await (await posted).allHeaders()).cookie).toBeUndefined();
      await expectSignedIn(page, app, await landing, "anna@insurer.example");

      await page.goto(`${pages.url}/link`);
      const followed = landingOf(page, app.url);
      await page.click("a");
      expect(await followed).toBe(401); // From another site it does not come along
    });
  });

  test("does not sign in a browser that brings the answer to a request which another one began", async () => {
    const response = await fetch(`${app.url}/sign-in/saml`, { redirect: "manual" });
    lastAnswer = btoa(provider.answer(provider.read(response.headers.get("location") ?? "").id));
    await inPage(async (page) => {
      await page.goto(`${pages.url}/lure`);
      await page.waitForURL(/\/sign-in\/saml\/finish/);
      expect(await page.textContent("h1")).toBe("You are not signed in");
      expect((await page.context().cookies()).map(({ name }) => name)).not.toContain("session");
    });
  });
});

async function ownAddress(): Promise<{ port: number; publicUrl: string }> {
  const port = await freePort();
  return { port, publicUrl: `http://localhost:${port}` };
}

async function inPage(work: (page: Page) => Promise<void>): Promise<void> {
  const context = await browser.newContext({ locale: "en" });
  try {
    await work(await context.newPage());
  } finally {
    await context.close();
  }
}

/** Where they land: 401 for whoever comes without a session's cookie, and 404 for whoever has one. */
const LANDING = "/exports/none";

async function landingOf(page: Page, url: string): Promise<number> {
  return (await page.waitForResponse(`${url}${LANDING}`)).status();
}

async function expectSignedIn(page: Page, app: TestApp, status: number, address: string): Promise<void> {
  expect(status).toBe(404);
  const session = (await page.context().cookies()).find(({ name }) => name === "session");
  expect(session).toMatchObject({ httpOnly: true, sameSite: "Strict" });
  const answer = await page.request.post(`${app.url}/graphql`, { data: { query: "{ viewer { account { address } } }" } });
  expect(await answer.json()).toMatchObject({ data: { viewer: { account: { address } } } });
}
