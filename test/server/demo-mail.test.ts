import { Language } from "../../src/mailer/language.ts";
import { queueMail } from "../../src/mailer/queue-mail.ts";
import { sendMails } from "../../src/mailer/send-mails.ts";
import { startTestApp, type TestApp } from "../support/app.ts";
import { SmtpSink } from "../support/smtp-sink.ts";

let app: TestApp;

beforeAll(async () => {
  app = await startTestApp({ config: { mode: "demo" } });
});

afterAll(() => app.close());

async function queueAndSend(address: string, { language = Language.EN, url = "http://localhost/?validate=abc" } = {}): Promise<string> {
  const id = await queueMail(app.ctx(), {
    kind: "validation-code",
    address,
    language,
    data: { code: "483920", url, minutes: 15 },
    phrase: "blue tram <in> March",
  });
  await sendMails(app.ctx(), new AbortController().signal, []);
  return id;
}

async function get(path: string, url = app.url): Promise<{ status: number; headers: Headers; body: string }> {
  const response = await fetch(`${url}${path}`);
  return { status: response.status, headers: response.headers, body: await response.text() };
}

test("the page lists all mail of the demo, newest first, and renews itself without a script", async () => {
  expect((await get("/demo/mail")).body).toContain("No mail yet");
  const first = await queueAndSend("maria@home.example");
  app.clock.advance(1000);
  const second = await queueAndSend("pedro@home.example", { language: Language.ES });
  const { status, headers, body } = await get("/demo/mail");
  expect(status).toBe(200);
  expect(headers.get("content-type")).toBe("text/html; charset=utf-8");
  expect(headers.get("cache-control")).toBe("no-store");
  expect(headers.get("content-security-policy")).toMatch(
    /^default-src 'none'; style-src 'sha256-[^']+'; frame-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'$/,
  );
  expect([...body.matchAll(/<a href="\/demo\/mail\/([^"]+)">([^<]+)</g)].map(([, id, subject]) => [id, subject])).toEqual([
    [second, "Su código para el correo seguro de Example Health"],
    [first, "Your code for secure mail from Example Health"],
  ]);
  expect(body).toContain('<meta http-equiv="refresh"');
  expect(body).not.toContain("<script");
});

test("a mail is shown as HTML in a locked frame, as text, and with the headers that it would have had", async () => {
  const id = await queueAndSend("maria@home.example", { url: "http://localhost/?validate=abc&x=%22%3E%3Cscript%3E" });
  const page = await get(`/demo/mail/${id}`);
  expect(page.body).toContain(`<iframe title="The mail as HTML" src="/demo/mail/${id}/html" sandbox="allow-popups allow-popups-to-escape-sandbox">`);
  expect(page.body).toContain("blue tram &#60;in&#62; March");
  expect(page.body).toContain(`Message-ID: &#60;${id}@localhost&#62;`);
  expect(page.body).toContain("Auto-Submitted: auto-generated");
  const frame = await get(`/demo/mail/${id}/html`);
  expect(frame.headers.get("content-security-policy")).toBe(
    "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'",
  );
  expect(frame.body).toContain("blue tram &#60;in&#62; March");
  expect(frame.body).toContain('<base target="_blank">');
  for (const { body } of [page, frame]) expect(body).not.toContain("<script");
});

test("what is not there is not found, whatever is asked for", async () => {
  for (const path of ["/demo/mail/00000000-0000-7000-8000-000000000000", "/demo/mail/'or'1", "/demo/mail/x/html"]) {
    expect(await get(path)).toMatchObject({ status: 404, body: expect.stringContaining("NOT_FOUND") });
  }
});

test("only the last five hundred are kept", async () => {
  await app.owner.query(
    `insert into demo_mails (id, address, subject, sent_at, raw)
     select ('00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 'maria@home.example', 'Old', $1, '' from generate_series(1, 600) as n`,
    [app.clock.now()],
  );
  app.clock.advance(1000);
  const id = await queueAndSend("last@home.example");
  const { rows } = await app.owner.query<{ n: number; newest: string }>("select count(*)::int as n, max(id::text) as newest from demo_mails");
  expect(rows).toEqual([{ n: 500, newest: id }]);
});

test("neither production nor a demo that really sends has the page", async () => {
  const sink = await SmtpSink.start();
  const others = [await startTestApp({ beside: app }), await startTestApp({ beside: app, config: { mode: "demo", mail: sink.settings } })];
  try {
    for (const { url } of others) expect((await get("/demo/mail", url)).status).toBe(404);
    expect((await get("/demo/mail")).status).toBe(200);
    const before = await app.owner.query("select from demo_mails where address = 'out@home.example'");
    await queueMail(app.ctx(), {
      kind: "validation-code",
      address: "out@home.example",
      language: Language.EN,
      data: { code: "1", url: "http://localhost/", minutes: 15 },
    });
    await sendMails(others[1]?.ctx() ?? app.ctx(), new AbortController().signal, []);
    expect(sink.mails).toMatchObject([{ to: ["out@home.example"] }]);
    expect(before.rowCount).toBe(0);
  } finally {
    for (const other of others) await other.close();
    await sink.close();
  }
});
