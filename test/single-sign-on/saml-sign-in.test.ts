import { randomUUID } from "node:crypto";
import { SignInMethodsDocument, ViewerDocument } from "../../operations/generated/operations.ts";
import { MINUTE } from "../../src/clock.ts";
import { answerRequest, keepRequest, takeAnswer } from "../../src/single-sign-on/sign-in-request.ts";
import { startTestApp, type TestApp } from "../support/app.ts";
import { Browser, type Page } from "../support/browser.ts";
import { selfSigned } from "../support/certificate.ts";
import { Client } from "../support/client.ts";
import { freePort } from "../support/free-port.ts";
import { createSamlIdentityProvider, type SamlIdentityProvider, type Statement } from "../support/saml-identity-provider.ts";
import { eventsOf, sql } from "../support/sql.ts";

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

describe("an employee who signs in with the organisation's SAML provider", () => {
  test("gets an account and a session, though the provider's form comes from another site", async () => {
    const browser = new Browser();
    const id = await begin(browser, "?returnTo=%2Fmailbox%2F7");
    const arrived = await answer(browser, provider.answer(id));
    expect(arrived.status).toBe(200);
    expect(browser.cookie(app.url, "session")).toBeUndefined();
    const landed = await browser.goOn(arrived);
    expect(landed.status).toBe(200);
    expect(landed.html).toContain('content="0;url=/mailbox/7"');

    const { viewer } = await clientOf(browser).run(ViewerDocument, {});
    expect(viewer?.account).toMatchObject({ userId: "anna@insurer.example", displayName: "Anna Berg", kind: "EMPLOYEE" });
    expect(viewer?.mailboxes).toHaveLength(1);
    expect((await eventsOf(app)).slice(-3).map(({ action, code }) => [action, code])).toEqual([
      ["account.created", "SINGLE_SIGN_ON"],
      ["identity.linked", "SAML"],
      ["session.started", "SINGLE_SIGN_ON"],
    ]);
  });

  test("is an administrator while the groups say so", async () => {
    const enter = async (groups: string[], nameId = "ada"): Promise<string | undefined> => {
      const browser = new Browser();
      const id = await begin(browser);
      await browser.goOn(await answer(browser, provider.answer(id, { nameId, attributes: { email: [`${nameId}@insurer.example`], groups } })));
      return (await clientOf(browser).run(ViewerDocument, {})).viewer?.account.kind;
    };
    expect(await enter(["staff", "mailbox-admins"])).toBe("ADMINISTRATOR");
    expect(await enter(["mailbox-admins"])).toBe("ADMINISTRATOR");
    expect(await enter([])).toBe("ADMINISTRATOR"); // The last one: somebody must be able to mend it
    expect(await enter(["mailbox-admins"], "amy")).toBe("ADMINISTRATOR");
    expect(await enter([])).toBe("EMPLOYEE");
  });

  test("may come with an answer that is signed as a whole, too", async () => {
    const browser = new Browser();
    const id = await begin(browser);
    const page = await answer(browser, provider.answer(id, {}, { of: ["Assertion", "Response"] }));
    expect((await browser.goOn(page)).status).toBe(200);
  });

  test("is kept out with an address that is not one of ours", async () => {
    for (const address of ["anna@mail.example", "anna@insurer.example.evil.example", "anna@іnsurer.example"]) {
      const browser = new Browser();
      const id = await begin(browser);
      const page = await answer(browser, provider.answer(id, { nameId: randomUUID(), attributes: { email: [address] } }));
      expectPage(await browser.goOn(page), 403, "FORBIDDEN");
      expect((await eventsOf(app)).at(-1)).toMatchObject({ action: "sign-in.refused", code: "FOREIGN_DOMAIN" });
    }
  });
});

describe("an answer is refused", () => {
  const minutes = (count: number): Date => new Date(Date.now() + count * MINUTE);

  test.each<[string, Partial<Statement>]>([
    ["that has expired", { notBefore: minutes(-20), notOnOrAfter: minutes(-10) }],
    ["that is not valid yet", { notBefore: minutes(5), notOnOrAfter: minutes(10) }],
    ["for another audience", { audience: "https://another.example/metadata" }],
    ["for another recipient", { recipient: "https://another.example/acs" }],
    ["with another destination", { destination: "https://another.example/acs" }],
    ["of another issuer", { issuer: "https://evil.example/metadata" }],
    ["to a request that never was", { inResponseTo: `_${randomUUID()}` }],
    ["to no request", { inResponseTo: "" }],
    ["that somebody need not have brought", { method: "urn:oasis:names:tc:SAML:2.0:cm:sender-vouches" }],
    ["with a name for this one time", { nameIdFormat: "urn:oasis:names:tc:SAML:2.0:nameid-format:transient" }],
    ["without a name", { nameId: "" }],
  ])("%s", async (_what, changes) => {
    await expectRefused((id) => provider.answer(id, changes));
  });

  test("that is not signed, signed with another key, or weakly", async () => {
    await expectRefused((id) => provider.unsigned(id));
    await expectRefused((id) => provider.answer(id, {}, { key: selfSigned("evil").privateKey }));
    await expectRefused((id) => provider.answer(id, {}, { of: ["Response"] }));
    await expectRefused((id) => provider.answer(id, {}, { algorithm: "http://www.w3.org/2000/09/xmldsig#rsa-sha1" }));
    await expectRefused((id) => provider.answer(id, {}, { digest: "http://www.w3.org/2000/09/xmldsig#sha1" }));
  });

  test.each<[string, (from: string, to: string) => string]>([
    ["a name", (_from, to) => `>${to}<`],
    ["an address", (_from, to) => `>${to}@insurer.example<`],
  ])("in which %s was changed after signing", async (_what, changed) => {
    await expectRefused((id) => {
      const xml = provider.answer(id);
      const forged = xml.replace(changed("anna", "anna"), changed("anna", "boss"));
      expect(forged).not.toBe(xml);
      return forged;
    });
  });

  /** An evil assertion beside, around, or below the signed one (Somorovsky and others, "On Breaking SAML", 2012). */
  test.each<[string, (signed: string, evil: string) => string]>([
    ["before the signed one", (signed, evil) => signed.replace("<saml:Assertion", `${evil}<saml:Assertion`)],
    ["after the signed one", (signed, evil) => signed.replace("</saml:Assertion>", `</saml:Assertion>${evil}`)],
    ["around the signed one", (signed, evil) => replaceAssertion(signed, evil.replace("</saml:Issuer>", `</saml:Issuer>${assertionIn(signed)}`))],
    [
      "with the signed one in an extension",
      (signed, evil) => replaceAssertion(signed, evil).replace("<samlp:Status>", `<samlp:Extensions>${assertionIn(signed)}</samlp:Extensions><samlp:Status>`),
    ],
    [
      "with the signature moved over, and the signed one in its Object",
      (signed, evil) => {
        const signature = signatureIn(signed).replace("</Signature>", `<Object>${assertionIn(signed).replace(signatureIn(signed), "")}</Object></Signature>`);
        return replaceAssertion(signed, evil.replace("</saml:Issuer>", `</saml:Issuer>${signature}`));
      },
    ],
    [
      "with the same ID as the signed one",
      (signed, evil) => {
        const id = /<saml:Assertion[^>]* ID="([^"]+)"/.exec(signed)?.[1] ?? "";
        const twin = evil.replace(/ ID="[^"]+"/, ` ID="${id}"`).replace("</saml:Issuer>", `</saml:Issuer>${signatureIn(signed)}`);
        return replaceAssertion(signed, twin).replace("<samlp:Status>", `<samlp:Extensions>${assertionIn(signed)}</samlp:Extensions><samlp:Status>`);
      },
    ],
    ["with the signature only", (signed, evil) => replaceAssertion(signed, evil.replace("</saml:Issuer>", `</saml:Issuer>${signatureIn(signed)}`))],
    ["in a response around the signed response", (signed, evil) => replaceAssertion(signed, evil).replace("</samlp:Response>", `${signed}</samlp:Response>`)],
  ])("with an evil assertion %s", async (_where, wrap) => {
    await expectRefused((id) => {
      const evil = assertionIn(provider.unsigned(id, { nameId: "boss", attributes: { email: ["boss@insurer.example"], groups: ["mailbox-admins"] } }));
      return wrap(provider.answer(id), evil);
    });
    expect(await sql(app, "select id from accounts where address = 'boss@insurer.example'")).toEqual([]);
  });

  test.each([
    ["a comment in the name", (xml: string) => xml.replace(">anna<", ">an<!-- -->na<")],
    ["a comment in the address", (xml: string) => xml.replace("anna@insurer.example", "anna@insurer.example<!---->.evil.example")],
    ["a document type", (xml: string) => `<!DOCTYPE x [<!ENTITY e "anna">]>${xml}`],
    ["a processing instruction", (xml: string) => xml.replace(">anna<", "><?x y?>anna<")],
    ["CDATA", (xml: string) => xml.replace(">anna<", "><![CDATA[anna]]><")],
  ])("with %s, although a signature would not see it", async (_what, change) => {
    await expectRefused((id) => change(provider.answer(id)));
  });

  test("whose name the provider itself split by a comment: no half of it is anybody", async () => {
    await expectRefused((id) => provider.sign(provider.unsigned(id, { nameId: "anna<!-- -->.evil" })));
  });

  test("a second time, before and after the sign-in has ended, and when twenty come at once", async () => {
    const browser = new Browser();
    const id = await begin(browser);
    const xml = provider.answer(id);
    const first = await answer(browser, xml);
    expect(first.status).toBe(200);
    expectPage(await answer(browser, xml), 400, "INVALID_INPUT");
    expect((await browser.goOn(first)).status).toBe(200);
    expectPage(await answer(browser, xml), 400, "INVALID_INPUT");
    expectPage(await browser.goOn(first), 400, "INVALID_INPUT");

    const other = await begin(new Browser());
    const copies = await Promise.all(Array.from({ length: 20 }, () => answer(new Browser(), provider.answer(other))));
    expect(copies.filter(({ status }) => status === 200)).toHaveLength(1);
  });

  test("all but one of those that arrive at the very same moment, and each is fetched once", async () => {
    const requestId = `_${randomUUID()}`;
    const ctx = app.ctx();
    const cookie = await keepRequest(ctx, {}, requestId);
    const tickets = await Promise.all(Array.from({ length: 20 }, (_, n) => answerRequest(ctx, requestId, n)));
    const given = tickets.filter((ticket) => ticket !== undefined);
    expect(given).toHaveLength(1);
    const fetched = await Promise.all(Array.from({ length: 20 }, () => takeAnswer(ctx, cookie, given[0])));
    expect(fetched.filter((answer) => answer !== undefined)).toHaveLength(1);
  });

  test("after ten minutes, by the request's age", async () => {
    const browser = new Browser();
    const id = await begin(browser);
    app.clock.advance(10 * MINUTE);
    expectPage(await answer(browser, provider.answer(id)), 400, "INVALID_INPUT");
  });

  test("by whoever lured somebody else into answering for them, and by whoever was lured", async () => {
    for (const guess of ["", "?ticket=", `?ticket=${"x".repeat(43)}`]) {
      const [attacker, victim] = [new Browser(), new Browser()];
      const id = await begin(attacker);
      await begin(victim);
      const arrived = await answer(victim, provider.answer(id)); // The victim's browser brings the attacker's answer
      expect(arrived.status).toBe(200);
      expectPage(await attacker.open(`${app.url}/sign-in/saml/finish${guess}`), 400, "INVALID_INPUT");
      expectPage(await victim.goOn(arrived), 400, "INVALID_INPUT");
      for (const browser of [attacker, victim]) expect(browser.cookie(app.url, "session")).toBeUndefined();
    }
  });

  test("with an error of the provider's, in words that are ours", async () => {
    const browser = new Browser();
    const id = await begin(browser);
    const page = await answer(
      browser,
      `<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" ID="_1" Version="2.0" InResponseTo="${id}"><samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Responder"/><samlp:StatusMessage>Marker words</samlp:StatusMessage></samlp:Status></samlp:Response>`,
    );
    expectPage(page, 400, "INVALID_INPUT");
    expect(page.html + app.logged.join("")).not.toContain("Marker words");
  });

  test("that is nonsense, empty, doubled or far too large", async () => {
    for (const SAMLResponse of ["nonsense", "", btoa("<a>".repeat(1000)), "A".repeat(600_000)]) {
      const page = await new Browser().submit(`${app.url}/sign-in/saml/acs`, { SAMLResponse }, { from: "https://idp.insurer.example" });
      expect([400, 413]).toContain(page.status);
    }
    const id = await begin(new Browser());
    const twice = new URLSearchParams({ SAMLResponse: btoa(provider.answer(id)) });
    twice.append("SAMLResponse", btoa(provider.answer(id)));
    expect((await fetch(`${app.url}/sign-in/saml/acs`, { method: "POST", body: twice })).status).toBe(400);
  });

  /** The very answer that `make` spoils is taken when it is whole. */
  async function expectRefused(make: (id: string) => string): Promise<void> {
    const browser = new Browser();
    const id = await begin(browser);
    expectPage(await answer(browser, make(id)), 400, "INVALID_INPUT");
    const good = await answer(browser, provider.answer(id));
    expect(good.status).toBe(200);
    expect((await browser.goOn(good)).status).toBe(200);
  }
});

test("the request is ours, signed, and names where the answer goes", async () => {
  const response = await fetch(`${app.url}/sign-in/saml`, { redirect: "manual" });
  const address = response.headers.get("location") ?? "";
  const { xml, search } = provider.read(address);
  expect(address.startsWith(provider.settings.entryPoint)).toBe(true);
  expect(xml).toContain(`AssertionConsumerServiceURL="${app.url}/sign-in/saml/acs"`);
  expect(xml).toContain(`>${app.url}/sign-in/saml/metadata</saml:Issuer>`);
  expect(search.get("SigAlg")).toBe("http://www.w3.org/2001/04/xmldsig-more#rsa-sha256");
  expect(search.get("Signature")).toMatch(/^[\w+/=]{300,}$/);
});

test("the metadata say who we are, and the ways to sign in where it begins", async () => {
  const response = await fetch(`${app.url}/sign-in/saml/metadata`);
  expect(response.headers.get("content-type")).toBe("application/samlmetadata+xml; charset=utf-8");
  const xml = await response.text();
  for (const part of [
    `entityID="${app.url}/sign-in/saml/metadata"`,
    `Location="${app.url}/sign-in/saml/acs"`,
    `Location="${app.url}/sign-in/saml/logout"`,
    'WantAssertionsSigned="true"',
    "X509Certificate",
  ])
    expect(xml).toContain(part);
  expect(xml).not.toContain("PRIVATE");
  const { signInMethods } = await new Client(app.url).run(SignInMethodsDocument, {});
  expect(signInMethods.singleSignOn).toEqual({ name: "Example Health's sign-in", url: `${app.url}/sign-in/saml` });
});

/** Begins in a browser, and returns the id under which the provider is asked. */
async function begin(browser: Browser, query = ""): Promise<string> {
  const { url } = await browser.open(`${app.url}/sign-in/saml${query}`, { until: /^https:\/\/idp\.insurer\.example/ });
  return provider.read(url).id;
}

/** Posts an answer, as the provider's page makes a browser do. */
function answer(browser: Browser, xml: string): Promise<Page> {
  return browser.submit(`${app.url}/sign-in/saml/acs`, { SAMLResponse: Buffer.from(xml).toString("base64") }, { from: provider.settings.entryPoint });
}

function clientOf(browser: Browser): Client {
  return new Client(app.url, browser.cookie(app.url, "session") ?? null);
}

function expectPage({ status, html }: Page, expected: number, code: string): void {
  expect({ status, code: /<code>([A-Z_]+)<\/code>/.exec(html)?.[1] }).toEqual({ status: expected, code });
}

function assertionIn(xml: string): string {
  return /<saml:Assertion.*<\/saml:Assertion>/s.exec(xml)?.[0] ?? "";
}

function signatureIn(xml: string): string {
  return /<Signature.*<\/Signature>/s.exec(xml)?.[0] ?? "";
}

function replaceAssertion(xml: string, by: string): string {
  return xml.replace(assertionIn(xml), by);
}
