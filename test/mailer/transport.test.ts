import { createHash, createPublicKey, generateKeyPairSync, verify } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { MINUTE } from "../../src/clock.ts";
import type { Config, MailSettings } from "../../src/config.ts";
import { readMailFiles } from "../../src/mailer/mail-files.ts";
import { Language } from "../../src/mailer/language.ts";
import { queueMail } from "../../src/mailer/queue-mail.ts";
import { sendMails } from "../../src/mailer/send-mails.ts";
import { START, startTestApp, type TestApp } from "../support/app.ts";
import { CertificateAuthority } from "../support/certificates.ts";
import { SmtpSink, type SinkOptions } from "../support/smtp-sink.ts";

let app: TestApp;
let directory: string;
let sinks: SmtpSink[] = [];

beforeAll(async () => {
  app = await startTestApp({ limits: { mailSeconds: 10 } });
  directory = await mkdtemp(path.join(tmpdir(), "secure-mailbox-transport-"));
});

afterEach(async () => {
  for (const sink of sinks) await sink.close();
  sinks = [];
  await app.owner.query("delete from mails");
  app.clock.moveTo(START);
});

afterAll(async () => {
  await app.close();
  await rm(directory, { recursive: true, force: true });
});

async function sinkOf(options?: SinkOptions): Promise<SmtpSink> {
  const sink = await SmtpSink.start(options);
  sinks.push(sink);
  return sink;
}

function queue(address = "maria@home.example", phrase: string | null = null): Promise<string> {
  const data = { code: "483920", url: "http://localhost/?validate=abc", minutes: 15 };
  return queueMail(app.ctx(), { kind: "validation-code", address, language: Language.EN, data, phrase });
}

async function send(mail: MailSettings, further: Partial<Config> = {}): Promise<void> {
  const ctx = app.ctx();
  await sendMails({ ...ctx, config: { ...ctx.config, ...further, mail } }, new AbortController().signal, []);
}

async function state(id: string): Promise<{ sent_at: Date | null; failed_at: Date | null; next_at: Date | null } | undefined> {
  const { rows } = await app.owner.query<{ sent_at: Date | null; failed_at: Date | null; next_at: Date | null }>(
    "select sent_at, failed_at, next_at from mails where id = $1",
    [id],
  );
  return rows[0];
}

const waits = { sent_at: null, failed_at: null, next_at: new Date(START.getTime() + MINUTE) };

/** The settings, with another port or protection. */
function to(sink: SmtpSink, change: Partial<NonNullable<MailSettings["smtp"]>>): MailSettings {
  const { smtp } = sink.settings;
  if (smtp === null) throw new Error("There is no server");
  return { ...sink.settings, smtp: { ...smtp, ...change } };
}

describe("a mail server gets nothing but a greeting", () => {
  /** A server that answers line by line, as a man in the middle would; and every byte that it was sent. */
  async function scripted(answers: Record<string, string>): Promise<{ port: number; heard: () => string; close: () => Promise<void> }> {
    let heard = "";
    const sockets = new Set<Socket>();
    const server = createServer((socket) => {
      sockets.add(socket);
      socket.on("error", () => undefined);
      socket.write("220 mail.example ESMTP\r\n");
      socket.on("data", (chunk) => {
        heard += chunk.toString("latin1");
        const [verb = ""] = chunk.toString("latin1").split(/[ \r]/);
        socket.write(answers[verb] ?? "250 OK\r\n");
      });
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    return {
      port,
      heard: () => heard,
      async close() {
        for (const socket of sockets) socket.destroy();
        await new Promise((resolve) => server.close(resolve));
      },
    };
  }

  test.each([
    ["offers no STARTTLS", { EHLO: "250-mail.example\r\n250 SIZE 1000000\r\n" }],
    ["offers STARTTLS and then refuses it", { EHLO: "250-mail.example\r\n250 STARTTLS\r\n", STARTTLS: "454 TLS not available\r\n" }],
    ["knows neither EHLO nor STARTTLS", { EHLO: "502 What?\r\n", STARTTLS: "502 What?\r\n" }],
    ["answers STARTTLS with garbage", { EHLO: "250-mail.example\r\n250 STARTTLS\r\n", STARTTLS: "220 go on\r\n250 I speak clear text\r\n" }],
  ])("that %s", async (_what, answers) => {
    const honest = await sinkOf({ login: { user: "mailbox", password: "s3cret-passw0rd" } });
    const server = await scripted(answers);
    try {
      const id = await queue();
      await send(to(honest, { port: server.port }));
      expect(await state(id)).toMatchObject(waits);
      expect(server.heard()).toMatch(/^EHLO /);
      const said = server.heard().replace(/\x16\x03[\s\S]*/, ""); // What begins a TLS handshake says nothing
      expect(said.split("\r\n").map((line) => line.split(" ")[0])).toEqual(expect.not.arrayContaining(["MAIL", "RCPT", "DATA", "AUTH"]));
      for (const secret of ["maria", "483920", "Example Health", "s3cret-passw0rd", Buffer.from("s3cret-passw0rd").toString("base64")])
        expect(server.heard()).not.toContain(secret);
      app.clock.advance(MINUTE);
      await send(honest.settings);
      expect(honest.mails).toHaveLength(1);
    } finally {
      await server.close();
    }
  });

  test.each<[string, SinkOptions]>([
    ["shows a certificate of somebody we do not know", { certificate: new CertificateAuthority().certify("localhost") }],
    [
      "shows a certificate of somebody we do not know, from the first byte on",
      { protection: "tls", certificate: new CertificateAuthority().certify("localhost") },
    ],
    ["speaks TLS 1.1 at most", { server: { minVersion: "TLSv1", maxVersion: "TLSv1.1", ciphers: "DEFAULT@SECLEVEL=0" } }],
    [
      "speaks TLS 1.1 at most, from the first byte on",
      { protection: "tls", server: { minVersion: "TLSv1", maxVersion: "TLSv1.1", ciphers: "DEFAULT@SECLEVEL=0" } },
    ],
  ])("that %s", async (_what, options) => {
    const sink = await sinkOf(options);
    const id = await queue();
    await send(sink.settings);
    expect(sink.connections).toBeGreaterThanOrEqual(options.protection === "tls" ? 0 : 1);
    expect(sink.senders).toEqual([]);
    expect(sink.mails).toEqual([]);
    expect(await state(id)).toMatchObject(waits);
    const honest = await sinkOf({ protection: options.protection ?? "starttls" });
    app.clock.advance(MINUTE);
    await send(honest.settings);
    expect(honest.mails).toMatchObject([{ isEncrypted: true }]);
  });

  test("that shows a certificate for another name", async () => {
    const authority = new CertificateAuthority();
    const caFile = path.join(directory, "other-ca.pem");
    await writeFile(caFile, authority.cert);
    const wrong = await sinkOf({ certificate: authority.certify("mail.example") });
    const id = await queue();
    await send({ ...wrong.settings, caFile });
    expect(wrong.senders).toEqual([]);
    expect(await state(id)).toMatchObject(waits);
    const right = await sinkOf({ certificate: authority.certify("localhost") });
    app.clock.advance(MINUTE);
    await send({ ...right.settings, caFile });
    expect(right.mails).toHaveLength(1);
  });
});

test("a server that can be reached by its address is held to it as to a name", async () => {
  const sink = await sinkOf({ protection: "tls" });
  await queue();
  await send(to(sink, { host: "127.0.0.1" }));
  expect(sink.mails).toMatchObject([{ isEncrypted: true }]);
});

test("a server on this machine may be spoken to in the clear, if the settings say so", async () => {
  const sink = await sinkOf({ protection: "none" });
  await queue();
  await send(sink.settings);
  expect(sink.mails).toMatchObject([{ isEncrypted: false }]);
});

describe("a signature (DKIM)", () => {
  test("covers the headers and the body, and breaks when either changes", async () => {
    const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    const keyFile = path.join(directory, "dkim.pem");
    await writeFile(keyFile, privateKey.export({ type: "pkcs8", format: "pem" }));
    const sink = await sinkOf();
    await queue();
    await send({ ...sink.settings, dkim: { keyFile, domain: "insurer.example", selector: "mail2026" } });
    const raw = sink.mails[0]?.raw.toString("latin1") ?? "";
    const record = `v=DKIM1; k=rsa; p=${publicKey.export({ type: "spki", format: "der" }).toString("base64")}`;
    expect(verifyDkim(raw, record)).toMatchObject({ isGenuine: true, domain: "insurer.example", selector: "mail2026" });
    const { signed } = verifyDkim(raw, record);
    expect(signed).toEqual(expect.arrayContaining(["from", "to", "subject", "date", "message-id", "mime-version", "content-type"]));
    expect(verifyDkim(raw.replace("maria@", "peter@"), record)).toMatchObject({ isGenuine: false });
    expect(verifyDkim(raw.replace("483920", "483921"), record)).toMatchObject({ isGenuine: false });
  });

  test("is left out where there is no key", async () => {
    const sink = await sinkOf();
    await queue();
    await send(sink.settings);
    expect(sink.mails[0]?.raw.toString()).not.toMatch(/DKIM/i);
  });
});

describe("a bounce address", () => {
  test("is another for each mail, and the same at each attempt", async () => {
    const sink = await sinkOf();
    sink.onMail = () => "451 4.3.0 Later";
    const ids = [await queue("maria@home.example"), await queue("peter@home.example")];
    const settings = { ...sink.settings, bounceDomain: "bounces.insurer.example" };
    await send(settings);
    app.clock.advance(MINUTE);
    await send(settings);
    expect(sink.senders).toHaveLength(4);
    const own = [...new Set(sink.senders)].toSorted();
    expect(own).toHaveLength(2);
    for (const [n, id] of ids.toSorted().entries())
      expect(own[n]).toMatch(new RegExp(`^bounce\\+${id.replaceAll("-", "")}-[0-9a-f]{16}@bounces\\.insurer\\.example$`));
    expect(sink.senders.every((address) => address.indexOf("@") <= 64)).toBe(true);
  });
});

describe("nobody adds a header or a recipient", () => {
  test.each([
    "maria@home.example\r\nBcc: eve@evil.example",
    "maria@home.example>\r\nRCPT TO:<eve@evil.example",
    "maria@home.example, eve@evil.example",
    "eve@evil.example,maria",
  ])("by the address %j, which never gets out", async (address) => {
    const sink = await sinkOf();
    const id = await queue(address);
    const other = await queue("peter@home.example");
    await send(sink.settings);
    app.clock.advance(MINUTE);
    await send(sink.settings);
    expect(sink.mails.flatMap(({ to }) => to)).not.toContain("eve@evil.example");
    expect(sink.mails.map(({ raw }) => raw.toString()).join("")).not.toMatch(/^(?:Bcc|RCPT)/im);
    expect(await state(id)).toMatchObject({ sent_at: null, failed_at: START });
    expect(await state(other)).toMatchObject({ sent_at: expect.any(Date) });
  });

  test("by a phrase, or by the organisation's own name", async () => {
    const sink = await sinkOf();
    await queue("maria@home.example", "roses\r\nBcc: eve@evil.example\r\n\r\n.\r\nMAIL FROM:<eve@evil.example>");
    const name = 'Example "Health"\r\nBcc: eve@evil.example';
    await send(sink.settings, { organisation: { name, domains: ["insurer.example"] } });
    const [mail] = await sink.parsed();
    expect(sink.mails.map(({ to }) => to)).toEqual([["maria@home.example"]]);
    expect(sink.senders).toEqual(["no-reply@insurer.example"]);
    expect(mail?.headerLines.map(({ key }) => key)).not.toContain("bcc");
    expect(mail?.from?.value).toEqual([{ address: "no-reply@insurer.example", name: expect.stringContaining("Example") }]);
    expect(mail?.text).toContain("MAIL FROM:<eve@evil.example>");
  });
});

describe("files that the settings name", () => {
  const files = (mail: Partial<MailSettings>, logoFile: string | null = null) => {
    const { config } = app.services;
    return readMailFiles({ ...config, mail: { ...config.mail, ...mail }, brand: { ...config.brand, logoFile } });
  };

  test("are read, and refused with one clear line where they will not do", async () => {
    const file = async (name: string, content: string | Buffer): Promise<string> => {
      await writeFile(path.join(directory, name), content);
      return path.join(directory, name);
    };
    const png = Buffer.concat([Buffer.from("89504e470d0a1a0a", "hex"), Buffer.alloc(20)]);
    const good = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey.export({ type: "pkcs8", format: "pem" });
    const weak = generateKeyPairSync("rsa", { modulusLength: 1024 }).privateKey.export({ type: "pkcs8", format: "pem" });
    const signer = (keyFile: string) => ({ dkim: { keyFile, domain: "insurer.example", selector: "mail" } });
    expect(
      await files({ ...signer(await file("good.pem", good)), caFile: await file("ca.pem", new CertificateAuthority().cert) }, await file("logo", png)),
    ).toEqual({
      ca: expect.stringContaining("CERTIFICATE"),
      dkimKey: good,
      logo: { bytes: png, mediaType: "image/png" },
    });
    expect((await files({}, await file("logo.svg", "<svg xmlns='http://www.w3.org/2000/svg'/>"))).logo?.mediaType).toBe("image/svg+xml");
    await expect(files(signer(await file("weak.pem", weak)))).rejects.toThrow(
      /^DKIM_KEY .*weak\.pem cannot be used: it must be an RSA key of at least 2048 bits$/,
    );
    await expect(files({ caFile: await file("none.pem", "nothing") })).rejects.toThrow(/^SMTP_CA .*none\.pem cannot be used: it holds no CERTIFICATE in PEM$/);
    await expect(files({}, await file("logo.gif", "GIF89a"))).rejects.toThrow(/^BRAND_LOGO .*logo\.gif cannot be used: it must be a PNG or an SVG$/);
    await expect(files({}, await file("large.png", Buffer.concat([png, Buffer.alloc(100 * 1024)])))).rejects.toThrow(/at most 100 KB$/);
    await expect(files({}, path.join(directory, "absent.png"))).rejects.toThrow(/^BRAND_LOGO .*absent\.png cannot be used: .*ENOENT/);
  });
});

/** Verifies a signature by the words of RFC 6376 (relaxed, relaxed), with the key of a DNS record. */
function verifyDkim(raw: string, record: string): { isGenuine: boolean; domain?: string; selector?: string; signed: string[] } {
  const end = raw.indexOf("\r\n\r\n");
  const headers = raw.slice(0, end + 2).match(/^[^\s:]+:(?:.*\r\n)(?:[ \t].*\r\n)*/gm) ?? [];
  const body = raw
    .slice(end + 4)
    .replace(/[ \t]+/g, " ")
    .replace(/ \r\n/g, "\r\n")
    .replace(/(?:\r\n)*$/, "\r\n");
  const signature = headers.find((line) => /^dkim-signature:/i.test(line)) ?? "";
  const tags = new Map(
    [...signature.slice(signature.indexOf(":") + 1).matchAll(/([a-z]+)\s*=\s*([^;]*)/g)].map(([, name = "", value = ""]) => [name, value.replace(/\s+/g, "")]),
  );
  const relaxed = (line: string): string => {
    const [, name = "", value = ""] = /^([^:]+):([\s\S]*)$/.exec(line) ?? [];
    return `${name.trim().toLowerCase()}:${value.replace(/\s+/g, " ").trim()}`;
  };
  const signed = (tags.get("h") ?? "").toLowerCase().split(":");
  const left = [...headers];
  const lines = signed.flatMap((name) => {
    const at = left.findLastIndex((line) => line.toLowerCase().startsWith(`${name}:`));
    return at === -1 ? [] : left.splice(at, 1).map(relaxed);
  });
  const content = [...lines, relaxed(signature.replace(/\bb=[\s\S]*$/, "b="))].join("\r\n");
  const key = createPublicKey({ key: Buffer.from(/p=([^;]+)/.exec(record)?.[1] ?? "", "base64"), type: "spki", format: "der" });
  const isBody = createHash("sha256").update(Buffer.from(body, "latin1")).digest("base64") === tags.get("bh");
  const isHeader = verify("sha256", Buffer.from(content, "latin1"), key, Buffer.from(tags.get("b") ?? "", "base64"));
  return { isGenuine: isBody && isHeader && tags.get("a") === "rsa-sha256", domain: tags.get("d"), selector: tags.get("s"), signed };
}
