import { randomUUID } from "node:crypto";
import { SignOutDocument, ViewerDocument } from "../../operations/generated/operations.ts";
import { MINUTE } from "../../src/clock.ts";
import { startTestApp, type TestApp } from "../support/app.ts";
import { Browser, type Page } from "../support/browser.ts";
import { selfSigned } from "../support/certificate.ts";
import { Client } from "../support/client.ts";
import { freePort } from "../support/free-port.ts";
import { employee } from "../support/people.ts";
import { createSamlIdentityProvider, type SamlIdentityProvider } from "../support/saml-identity-provider.ts";
import { eventsOf } from "../support/sql.ts";

const RSA_SHA1 = "http://www.w3.org/2000/09/xmldsig#rsa-sha1";
const elsewhere = /^https:\/\/idp\.insurer\.example/;

let app: TestApp;
let provider: SamlIdentityProvider;

beforeAll(async () => {
  const port = await freePort();
  const publicUrl = `http://127.0.0.1:${port}`;
  provider = await createSamlIdentityProvider(publicUrl);
  app = await startTestApp({ config: { port, publicUrl, singleSignOn: provider.settings } });
});

afterAll(async () => {
  await app.close();
  await provider.close();
});

describe("a LogoutRequest of the provider's", () => {
  test.each<[string, (xml: string) => Promise<Page>]>([
    ["posted", (xml) => post(provider.signLogout(xml))],
    ["in an address", (xml) => redirect(provider.redirect(logoutUrl(), xml, { relayState: "its own" }))],
  ])("%s ends the session that it names, and is answered", async (_how, send) => {
    const [here, elsewhere] = [await signedIn("sue"), await signedIn("sue")];
    const xml = provider.logoutRequest("sue", { sessionIndexes: [here.sessionIndex] });
    const page = await send(xml);
    expect(page.status).toBe(303);
    const { xml: answered, search } = provider.read(page.url);
    expect(answered).toContain(`InResponseTo="${/ ID="([^"]+)"/.exec(xml)?.[1] ?? ""}"`);
    expect(answered).toContain("urn:oasis:names:tc:SAML:2.0:status:Success");
    expect(search.get("Signature")).toEqual(expect.any(String));
    expect(await isAlive(here.client)).toBe(false);
    expect(await isAlive(elsewhere.client)).toBe(true);
    expect((await eventsOf(app)).at(-1)).toMatchObject({ action: "session.ended", code: "SINGLE_LOGOUT", actor_id: null });
  });

  test("ends all that it names, and without a name all that its subject began, and no session that a password began", async () => {
    const tess = await employee(app, "tess");
    const [one, two, three] = [await signedIn("tess"), await signedIn("tess"), await signedIn("tess")];
    await post(provider.signLogout(provider.logoutRequest("tess", { sessionIndexes: [one.sessionIndex, two.sessionIndex] })));
    expect(await Promise.all([one, two, three].map(({ client }) => isAlive(client)))).toEqual([false, false, true]);
    await post(provider.signLogout(provider.logoutRequest("tess")));
    expect(await isAlive(three.client)).toBe(false);
    expect(await isAlive(tess.client)).toBe(true);
  });

  test.each<[string, (xml: string) => Promise<Page>]>([
    ["is posted without a signature", post],
    ["is posted with another's signature", (xml) => post(provider.signLogout(xml, selfSigned("evil").privateKey))],
    ["was changed after it was signed", (xml) => post(provider.signLogout(xml.replace(">victim<", ">somebody<")).replace(">somebody<", ">victim<"))],
    ["comes in an address without a signature", (xml) => redirect(without("Signature", provider.redirect(logoutUrl(), xml)))],
    ["comes in an address that does not say how it is signed", (xml) => redirect(without("SigAlg", provider.redirect(logoutUrl(), xml)))],
    ["comes in an address with another's signature", (xml) => redirect(provider.redirect(logoutUrl(), xml, { key: selfSigned("evil").privateKey }))],
    ["is weakly signed", (xml) => redirect(provider.redirect(logoutUrl(), xml, { algorithm: RSA_SHA1 }))],
    [
      "stands beside the signed one",
      (xml) => {
        const signed = new URL(provider.redirect(logoutUrl(), provider.logoutRequest("somebody")));
        const evil = new URL(provider.redirect(logoutUrl(), xml));
        return redirect(`${signed.href}&SAMLRequest=${encodeURIComponent(evil.searchParams.get("SAMLRequest") ?? "")}`);
      },
    ],
    [
      "stands in the place of the signed one, which has another name",
      (xml) => {
        const signed = new URL(provider.redirect(logoutUrl(), provider.logoutRequest("somebody")));
        const evil = new URL(provider.redirect(logoutUrl(), xml)).searchParams.get("SAMLRequest") ?? "";
        return redirect(`${signed.href.replace("?SAMLRequest", "?xSAMLRequest")}&SAMLRequest=${encodeURIComponent(evil)}`);
      },
    ],
    ["is of another issuer", () => post(provider.signLogout(provider.logoutRequest("victim", { issuer: "https://evil.example" })))],
    ["is for another address", () => post(provider.signLogout(provider.logoutRequest("victim", { destination: "https://another.example/slo" })))],
    ["is ten minutes old", () => post(provider.signLogout(provider.logoutRequest("victim", { issueInstant: new Date(Date.now() - 10 * MINUTE) })))],
    ["is of the future", () => post(provider.signLogout(provider.logoutRequest("victim", { issueInstant: new Date(Date.now() + 10 * MINUTE) })))],
    ["has a comment in its name", (xml) => post(provider.signLogout(xml).replace(">victim<", ">vic<!-- -->tim<"))],
    ["is nonsense", () => post("nonsense")],
    ["is empty", () => redirect(logoutUrl())],
  ])("ends nothing if it %s", async (_why, send) => {
    const { client } = await signedIn("victim");
    const page = await send(provider.logoutRequest("victim"));
    expect({ status: page.status, code: /<code>([A-Z_]+)<\/code>/.exec(page.html)?.[1] }).toEqual({ status: 400, code: "INVALID_INPUT" });
    expect(await isAlive(client)).toBe(true);
    expect((await post(provider.signLogout(provider.logoutRequest("victim")))).status).toBe(303);
    expect(await isAlive(client)).toBe(false);
  });

  test("is obeyed once", async () => {
    const xml = provider.signLogout(provider.logoutRequest("vera"));
    expect((await post(xml)).status).toBe(303);
    const { client } = await signedIn("vera");
    expect((await post(xml)).status).toBe(400);
    expect(await isAlive(client)).toBe(true);
  });

  test("that unpacks to a thousand times its size is refused before it is unpacked", async () => {
    const began = performance.now();
    const page = await redirect(provider.redirect(logoutUrl(), " ".repeat(8_000_000)));
    expect(page.status).toBe(400);
    expect(performance.now() - began).toBeLessThan(1000);
  });
});

test("signing out here leads to the provider with what it calls person and session, and back", async () => {
  const { client, sessionIndex, browser } = await signedIn("ora");
  const { signOut } = await client.run(SignOutDocument, {});
  const address = "redirectUrl" in signOut ? (signOut.redirectUrl ?? "") : "";
  expect(address.startsWith(provider.settings.logoutUrl ?? "none")).toBe(true);
  const { xml, search } = provider.read(address);
  expect(xml).toContain(">ora</saml:NameID>");
  expect(xml).toContain(`>${sessionIndex}</`);
  expect(search.get("Signature")).toEqual(expect.any(String));
  expect(await isAlive(client)).toBe(false);
  const back = await browser.open(`${logoutUrl()}?SAMLResponse=anything`, { from: provider.settings.entryPoint });
  expect(back.html).toContain('content="0;url=/"');
});

function logoutUrl(): string {
  return `${app.url}/sign-in/saml/logout`;
}

async function signedIn(subject: string): Promise<{ client: Client; sessionIndex: string; browser: Browser }> {
  const browser = new Browser();
  const sessionIndex = randomUUID();
  const { url } = await browser.open(`${app.url}/sign-in/saml`, { until: elsewhere });
  const attributes = { email: [`${subject}@insurer.example`] };
  const xml = provider.answer(provider.read(url).id, { nameId: subject, sessionIndex, attributes });
  const form = { SAMLResponse: Buffer.from(xml).toString("base64") };
  await browser.goOn(await browser.submit(`${app.url}/sign-in/saml/acs`, form, { from: provider.settings.entryPoint }));
  return { client: new Client(app.url, browser.cookie(app.url, "session") ?? null), sessionIndex, browser };
}

function post(xml: string): Promise<Page> {
  const form = { SAMLRequest: Buffer.from(xml).toString("base64"), RelayState: "its own" };
  return new Browser().submit(logoutUrl(), form, { until: elsewhere, from: provider.settings.entryPoint });
}

function redirect(address: string): Promise<Page> {
  return new Browser().open(address, { until: elsewhere, from: provider.settings.entryPoint });
}

function without(parameter: string, address: string): string {
  const url = new URL(address);
  url.searchParams.delete(parameter);
  return url.href;
}

async function isAlive(client: Client): Promise<boolean> {
  return (await client.run(ViewerDocument, {})).viewer !== null;
}
