import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { text } from "node:stream/consumers";
import type { Ctx } from "../../src/context.ts";
import { bounceAddressOf } from "../../src/mailer/bounce-address.ts";
import { isDead } from "../../src/mailer/dead-addresses.ts";
import { Language } from "../../src/mailer/language.ts";
import type { MailOutcome } from "../../src/mailer/mail-outcome.ts";
import { queueMail } from "../../src/mailer/queue-mail.ts";
import { recordBounce } from "../../src/mailer/record-bounce.ts";
import { START, startTestApp, type TestApp } from "../support/app.ts";
import * as bounces from "../support/bounces.ts";

const root = path.join(import.meta.dirname, "..", "..");
let app: TestApp;
let ctx: Ctx;
let id: string;
let address: string;
let heard: unknown[] = [];

const outcome: MailOutcome = {
  sent: async () => undefined,
  async failed(_ctx, mail, reason) {
    heard.push([mail, reason]);
  },
};

beforeAll(async () => {
  app = await startTestApp();
  const base = app.ctx();
  ctx = { ...base, config: { ...base.config, mail: { ...base.config.mail, bounceDomain: "bounces.insurer.example" } } };
});

beforeEach(async () => {
  heard = [];
  await app.owner.query("delete from dead_addresses");
  const data = { code: "483920", url: "http://localhost/?validate=abc", minutes: 15 };
  id = await queueMail(ctx, { kind: "validation-code", address: "maria@home.example", language: Language.EN, data });
  await app.owner.query("update mails set sent_at = $2, next_at = null where id = $1", [id, START]);
  address = bounceAddressOf(ctx, id);
});

afterAll(() => app.close());

const record = (raw: string): Promise<boolean> => recordBounce(ctx, Buffer.from(raw.replace(/\r?\n/g, "\r\n")), [outcome]);

async function failure(): Promise<unknown> {
  const { rows } = await app.owner.query("select failed_at, failure, sent_at from mails where id = $1", [id]);
  return rows[0];
}

const isWell = { failed_at: null, failure: null, sent_at: START };
const hasBounced = { failed_at: START, failure: "BOUNCED", sent_at: START };

test.each([
  ["Postfix, where the domain's server knows nobody of that name", bounces.postfix, "5.1.1"],
  ["Exchange", bounces.exchange, "5.1.10"],
  ["Gmail", bounces.gmail, "5.1.1"],
  ["Exim, whose status says nothing and whose server only a number", bounces.exim, "550"],
  ["Postfix, where the domain is none", bounces.noSuchDomain, "5.4.4"],
])("a bounce of %s marks the mail failed, once, and its address dead", async (_who, bounce, code) => {
  expect(await record(bounce(address))).toBe(true);
  expect(await failure()).toEqual(hasBounced);
  const { rows } = await app.owner.query("select address, code from dead_addresses");
  expect(rows).toEqual([{ address: "maria@home.example", code }]);
  expect(await isDead(ctx, ["maria@home.example"])).toEqual(new Set(["maria@home.example"]));
  await record(bounce(address));
  expect(heard).toEqual([[{ id, kind: "validation-code", address: "maria@home.example" }, "BOUNCED"]]);
});

test.each([
  ["a full mailbox", bounces.fullMailbox],
  ["a server that nobody could reach for days", bounces.expired],
  ["somebody's rule", bounces.policy],
])("a bounce for %s marks the mail failed and leaves the address alone", async (_why, bounce) => {
  expect(await record(bounce(address))).toBe(true);
  expect(await failure()).toEqual(hasBounced);
  expect(await isDead(ctx, ["maria@home.example"])).toEqual(new Set());
});

test.each([
  ["a delay", bounces.delayed],
  ["a receipt that it was relayed", bounces.relayed],
  ["an answer of a machine", bounces.outOfOffice],
  ["a receipt that it was read", bounces.readReceipt],
  ["a mail that talks of a failure", bounces.lookalike],
  ["nothing at all", () => ""],
  ["garbage", () => "\u0000\u0001Content-Type: multipart/report; report-type=delivery-status; boundary\r\n\r\n--\r\n"],
])("%s is ignored", async (_what, mail) => {
  expect(await record(mail(address))).toBe(false);
  expect(await failure()).toEqual(isWell);
  expect(heard).toEqual([]);
  expect(await record(bounces.postfix(address))).toBe(true);
});

test("an address that we did not make is ignored: another mail's, another key, another domain, an old form", async () => {
  const other = bounceAddressOf(ctx, "019cadc6-9a80-718a-a2ae-f7056eb9e676");
  const key = /-([0-9a-f]{16})@/.exec(other)?.[1] ?? "";
  for (const forged of [
    address.replace(/-[0-9a-f]{16}@/, `-${key}@`),
    address.replace(/-[0-9a-f]{16}@/, "-0000000000000000@"),
    address.replace("bounces.insurer.example", "bounces.evil.example"),
    address.replace(/-[0-9a-f]{16}@/, "@"),
    "no-reply@insurer.example",
  ]) {
    expect(await record(bounces.postfix(forged))).toBe(false);
  }
  expect(await failure()).toEqual(isWell);
  expect(await record(bounces.postfix(address.toUpperCase()))).toBe(true);
});

test("the address counts where the mail server wrote it, not in what came with the mail", async () => {
  expect(await record(bounces.postfix("postmaster@insurer.example", address))).toBe(false);
  expect(await record(bounces.postfix("postmaster@insurer.example").replace(/^/, `Delivered-To: ${address}\n`))).toBe(true);
});

test("without a domain for bounces none is read", async () => {
  const without = { ...ctx, config: { ...ctx.config, mail: { ...ctx.config.mail, bounceDomain: null } } };
  expect(bounceAddressOf(without, id)).toBe("no-reply@insurer.example");
  expect(await recordBounce(without, Buffer.from(bounces.postfix(address)), [outcome])).toBe(false);
});

test("a mail server's pipe gives the command one mail, and is told to try again when the database is away", async () => {
  const directory = await mkdtemp(path.join(tmpdir(), "secure-mailbox-bounce-"));
  await writeFile(path.join(directory, "unused"), "");
  const pipe = async (databaseUrl: string): Promise<{ code: unknown; said: string }> => {
    const child = spawn(process.execPath, ["--import", "tsx", "src/bounce.ts"], {
      cwd: root,
      env: {
        PATH: process.env.PATH,
        NODE_ENV: "production",
        PARTS: "api",
        DATABASE_URL: databaseUrl,
        PUBLIC_URL: "https://mail.insurer.example",
        SECRET_KEY: Buffer.alloc(32, 7).toString("base64"),
        KEYRING: `file:${path.join(app.dataDir, "master-keys")}`,
        ORGANISATION_NAME: "Example Health",
        ORGANISATION_DOMAINS: "insurer.example",
        MAIL_BOUNCE_DOMAIN: "bounces.insurer.example",
        DATA_DIR: directory,
        LOG_LEVEL: "silent",
      },
      stdio: ["pipe", "pipe", "pipe"],
    });
    const exited = once(child, "exit");
    child.stdin.end(bounces.gmail(address));
    const said = `${await text(child.stdout)}${await text(child.stderr)}`;
    return { code: (await exited)[0], said };
  };
  try {
    expect(await pipe("postgres://nobody@127.0.0.1:1/none")).toMatchObject({ code: 75 });
    expect(await failure()).toEqual(isWell);
    expect(await pipe(app.databaseUrl)).toEqual({ code: 0, said: "A mail of ours failed.\n" });
    expect(await failure()).toMatchObject({ failure: "BOUNCED" });
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});
