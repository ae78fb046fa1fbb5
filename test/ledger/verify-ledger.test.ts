import { execFile } from "node:child_process";
import { generateKeyPairSync, randomBytes, randomUUID } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { before, DAY, SECOND } from "../../src/clock.ts";
import { createDataSource } from "../../src/data-source.ts";
import { type EventText, eventText, hashEvent } from "../../src/ledger/event-hash.ts";
import { keptSince, LEDGER_YEARS, pruneLedger } from "../../src/ledger/prune-ledger.ts";
import { record } from "../../src/ledger/record.ts";
import { sealLedger } from "../../src/ledger/seal-ledger.ts";
import { ContentDigest, hashSeal, readSeal, signSeal } from "../../src/ledger/seal.ts";
import { parseSigningKeys, readSigningKeys } from "../../src/ledger/signing-keys.ts";
import type { Finding } from "../../src/ledger/verify-ledger.ts";
import { MailboxKind } from "../../src/mailboxes/mailbox.ts";
import { openMailbox } from "../../src/mailboxes/open-mailbox.ts";
import { startTestApp, type TestApp } from "../support/app.ts";
import { verified } from "../support/ledger.ts";
import { sql } from "../support/sql.ts";

const TABLES = ["events", "seals", "sealed_ranges", "sealed_until", "mailboxes"];

let app: TestApp;
/** A mailbox with ten events, sealed over three seals; and one more. */
let box: string;
let other: string;

beforeAll(async () => {
  app = await startTestApp();
  [box, other] = [await mailbox("box"), await mailbox("other")];
  for (let n = 0; n < 3; n += 1) {
    await happen(box, 3);
    await happen(other, 2);
    await sealLedger(app.ctx());
    app.clock.advance(60 * SECOND);
  }
  await happen(box, 1);
  await sealLedger(app.ctx());
  await sql(app, `create schema kept; ${TABLES.map((table) => `create table kept.${table} as select * from ${table}`).join(";")}`);
});

beforeEach(() => sql(app, TABLES.map((table) => `truncate ${table} cascade; insert into ${table} select * from kept.${table}`).join(";")));

afterAll(() => app.close());

test("an honest ledger is whole, and what came after the last seal is counted", async () => {
  expect(await verified(app)).toEqual({ findings: [], seals: 4, events: 16, unsealed: 0 });
  await happen(box, 2);
  expect(await verified(app)).toEqual({ findings: [], seals: 4, events: 18, unsealed: 2 });
  await sealLedger(app.ctx());
  expect(await verified(app)).toEqual({ findings: [], seals: 5, events: 18, unsealed: 0 });
  await sealLedger(app.ctx());
  expect(await verified(app)).toMatchObject({ seals: 5 });
});

describe("a change of a row is found at that row:", () => {
  test.each([
    ["id", "gen_random_uuid()"],
    ["at", "at + interval '1 microsecond'"],
    ["at", "'infinity'"],
    ["at", "at - interval '4051 years'"],
    ["action", "'message.sent'"],
    ["actor_id", "gen_random_uuid()"],
    ["subject_id", "null"],
    ["message_id", "subject_id"],
    ["code", "''"],
    ["counterpart_id", "mailbox_id"],
    ["was_sent", "false"],
    ["opened_at", "at"],
  ])("%s = %s", async (column, value) => {
    await sql(app, `update events set ${column} = ${value} where mailbox_id = $1 and sequence = 5`, [box]);
    expect((await verified(app)).findings).toEqual([{ what: "changed", mailboxId: box, sequence: 5 }]);
  });

  test("its sequence", async () => {
    await sql(app, "update events set sequence = 50 where mailbox_id = $1 and sequence = 5", [box]);
    expect((await verified(app)).findings).toEqual([
      { what: "removed", mailboxId: box, sequence: 5 },
      { what: "inserted", mailboxId: box, sequence: 50 },
    ]);
  });

  test("its mailbox", async () => {
    await sql(app, "update events set mailbox_id = $2, sequence = 99 where mailbox_id = $1 and sequence = 5", [box, other]);
    expect((await verified(app)).findings.toSorted(byMailbox)).toEqual(
      [
        { what: "removed" as const, mailboxId: box, sequence: 5 },
        { what: "inserted" as const, mailboxId: other, sequence: 99 },
      ].toSorted(byMailbox),
    );
  });
});

describe("what is removed is named:", () => {
  test("a row in the middle", async () => {
    await sql(app, "delete from events where mailbox_id = $1 and sequence = 4", [box]);
    expect((await verified(app)).findings).toEqual([{ what: "removed", mailboxId: box, sequence: 4 }]);
  });

  test("the last rows, with the mailbox's count of them", async () => {
    await sql(app, "delete from events where mailbox_id = $1 and sequence >= 9", [box]);
    await sql(app, "update mailboxes set last_sequence = 8 where id = $1", [box]);
    expect((await verified(app)).findings).toEqual([9, 10].map((sequence) => ({ what: "removed", mailboxId: box, sequence })));
  });

  test("a mailbox's whole stream, and the mailbox", async () => {
    await sql(app, "delete from events where mailbox_id = $1", [other]);
    await sql(app, "delete from mailboxes where id = $1", [other]);
    expect((await verified(app)).findings).toEqual([1, 2, 3, 4, 5, 6].map((sequence) => ({ what: "removed", mailboxId: other, sequence })));
  });

  test("rows that were not sealed yet, by the gap they leave", async () => {
    await happen(box, 6);
    await sql(app, "delete from events where mailbox_id = $1 and sequence in (12, 13, 16)", [box]);
    expect((await verified(app)).findings).toEqual([
      { what: "removed", mailboxId: box, sequence: 12, through: 13 },
      { what: "removed", mailboxId: box, sequence: 16 },
    ]);
  });

  test("a row that went before it could be sealed, for ever", async () => {
    await happen(box, 3);
    await sql(app, "delete from events where mailbox_id = $1 and sequence = 12", [box]);
    await sealLedger(app.ctx());
    expect((await verified(app)).findings).toEqual([{ what: "removed", mailboxId: box, sequence: 12 }]);
    await insertRow(box, 12);
    expect((await verified(app)).findings).toEqual([{ what: "inserted", mailboxId: box, sequence: 12 }]);
  });
});

describe("what is inserted is named:", () => {
  test("a row after the last", async () => {
    await insertRow(box, 11);
    expect((await verified(app)).findings).toEqual([{ what: "inserted", mailboxId: box, sequence: 11 }]);
  });

  test("a row before the first", async () => {
    await insertRow(box, 0);
    expect((await verified(app)).findings).toEqual([{ what: "inserted", mailboxId: box, sequence: 0 }]);
  });

  test("a row in the middle, for which all after it were numbered anew", async () => {
    await sql(app, "update events set sequence = -sequence - 1 where mailbox_id = $1 and sequence >= 8", [box]);
    await sql(app, "update events set sequence = -sequence where mailbox_id = $1 and sequence < 0", [box]);
    await insertRow(box, 8);
    await sql(app, "update mailboxes set last_sequence = 11 where id = $1", [box]);
    expect((await verified(app)).findings).toEqual([
      { what: "inserted", mailboxId: box, sequence: 8 },
      { what: "reordered", mailboxId: box, sequence: 9, from: 8 },
      { what: "reordered", mailboxId: box, sequence: 10, from: 9 },
    ]);
  });

  test("a row in a mailbox that never had one, and in one that never was", async () => {
    const [empty, never] = [await mailbox("empty"), "ffffffff-ffff-4fff-bfff-ffffffffffff"];
    expect((await verified(app)).findings).toEqual([]);
    await insertRow(empty, 1);
    await insertRow(never, 1);
    expect((await verified(app)).findings).toEqual([empty, never].map((mailboxId) => ({ what: "inserted", mailboxId, sequence: 1 })));
  });
});

test("rows whose contents were swapped are named, each with where it belongs", async () => {
  const columns = ["id", "at", "action", "actor_id", "subject_id", "message_id", "code", "counterpart_id", "was_sent", "opened_at"];
  await sql(
    app,
    `update events e set ${columns.map((column) => `${column} = o.${column}`).join(", ")} from events o
     where e.mailbox_id = $1 and o.mailbox_id = $1 and (e.sequence, o.sequence) in ((2, 7), (7, 2))`,
    [box],
  );
  expect((await verified(app)).findings).toEqual([
    { what: "reordered", mailboxId: box, sequence: 2, from: 7 },
    { what: "reordered", mailboxId: box, sequence: 7, from: 2 },
  ]);
});

describe("a seal that is not as it was made is named:", () => {
  test("one that was removed", async () => {
    await sql(app, "delete from seals where number = 2");
    expect((await verified(app)).findings).toEqual([
      fault(2, "there is no such seal, although hashes name it"),
      fault(3, "it follows 1: what was between is removed"),
    ]);
  });

  test("one that says something else", async () => {
    const [header, , signature] = (await seal(2)).split(".");
    const payload = { ...readSeal(await seal(2))?.payload, sealedAt: "2026-01-01T00:00:00.000Z" };
    await replaceSeal(2, [header, Buffer.from(JSON.stringify(payload)).toString("base64url"), signature].join("."));
    expect((await verified(app)).findings).toEqual([fault(2, "it is not signed by a key we trust"), fault(3, "the seal before it is not the one it names")]);
  });

  test("one that is no seal at all", async () => {
    await replaceSeal(2, "nonsense");
    expect((await verified(app)).findings).toEqual([fault(2, "it is not signed by a key we trust"), fault(3, "the seal before it is not the one it names")]);
  });

  test("all of them, signed anew with another key", async () => {
    const forger = parseSigningKeys(newKey()).signer;
    if (forger === null) throw new Error("There is no key");
    let previous: string | null = null;
    for (const number of [1, 2, 3, 4]) {
      const payload = readSeal(await seal(number))?.payload;
      if (!payload) throw new Error("There is no seal");
      const forged = signSeal({ ...payload, previous }, forger);
      await replaceSeal(number, forged);
      previous = hashSeal(forged);
    }
    expect((await verified(app)).findings).toEqual([1, 2, 3, 4].map((number) => fault(number, "it is not signed by a key we trust")));
    await happen(box, 1);
    await expect(sealLedger(app.ctx())).rejects.toThrow("was not signed by a key of AUDIT_SIGNING_KEY");
    expect(await sql(app, "select from seals")).toHaveLength(4);
  });

  test("the hashes of a row that was changed, made to fit it", async () => {
    await sql(app, "update events set actor_id = gen_random_uuid() where mailbox_id = $1 and sequence = 5", [box]);
    await rehash(box, 5);
    expect((await verified(app)).findings).toEqual([fault(2, "its hashes are not those it was signed for")]);
  });

  test("hashes that were removed, cut, or stand twice", async () => {
    await sql(app, "delete from sealed_ranges where mailbox_id = $1 and seal = 1", [box]);
    expect((await verified(app)).findings).toEqual([
      fault(1, "its hashes are not those it was signed for"),
      fault(2, `its hashes of mailbox ${box} do not follow those before`),
      ...[1, 2, 3].map((sequence) => ({ what: "inserted", mailboxId: box, sequence })),
    ]);
    await sql(app, "update sealed_ranges set hashes = substring(hashes from 1 for 33) where mailbox_id = $1 and seal = 2", [box]);
    expect((await verified(app)).findings).toContainEqual(fault(2, "its hashes are not those it was signed for"));
    await sql(app, "insert into sealed_ranges select mailbox_id, 9, 77, hashes from sealed_ranges where mailbox_id = $1 and to_sequence = 10", [box]).catch(
      () => undefined,
    );
    await sql(app, "insert into sealed_ranges values ($1, -4, 77, '\\x00')", [box]);
    expect((await verified(app)).findings).toContainEqual(fault(77, "there is no such seal, although hashes name it"));
  });

  test("the last ones, with all they covered, by a copy that was kept elsewhere", async () => {
    const published = await seal(4);
    expect((await verified(app, { published })).findings).toEqual([]);
    await sql(app, "delete from events where mailbox_id = $1 and sequence = 10", [box]);
    await sql(app, "update mailboxes set last_sequence = 9 where id = $1", [box]);
    await sql(app, "delete from sealed_ranges where seal = 4");
    await sql(app, "delete from seals where number = 4");
    await sql(app, "update sealed_until set sequence = 9 where mailbox_id = $1", [box]);
    expect((await verified(app)).findings).toEqual([]);
    expect((await verified(app, { published })).findings).toEqual([fault(4, "it was kept elsewhere and is removed here, with all after it")]);

    await happen(box, 1);
    await sealLedger(app.ctx());
    expect((await verified(app)).findings).toEqual([]);
    expect((await verified(app, { published })).findings).toEqual([fault(4, "it is not the one kept elsewhere")]);
    expect((await verified(app, { published: "nonsense" })).findings).toEqual([fault(0, "the copy kept elsewhere is not signed by a key we trust")]);
  });
});

describe("sealing", () => {
  test("goes in bounded batches that cut a mailbox where one is full, and two workers at once make one chain", async () => {
    await happen(box, 25);
    await happen(other, 5);
    await Promise.all([sealLedger(app.ctx(), undefined, 7), sealLedger(app.ctx(), undefined, 7), sealLedger(app.ctx(), undefined, 7)]);
    await sealLedger(app.ctx(), undefined, 7);
    expect(await verified(app)).toEqual({ findings: [], seals: 9, events: 46, unsealed: 0 });
    const payloads = await Promise.all([5, 6, 7, 8, 9].map(async (number) => readSeal(await seal(number))?.payload.events));
    expect(payloads).toEqual([7, 7, 7, 7, 2]);
  });

  test.each([2, 1_000_000])("begins where the hashes end, though the note of how far it is says %s", async (sequence) => {
    await sql(app, "update sealed_until set sequence = $1", [sequence]);
    await happen(box, 1);
    await sealLedger(app.ctx());
    expect(await verified(app)).toEqual({ findings: [], seals: 5, events: 17, unsealed: 0 });
    expect(await sql(app, "select from sealed_until s join mailboxes m on m.id = s.mailbox_id where s.sequence <> m.last_sequence")).toEqual([]);
  });

  test("goes on with a new key once the old one's public half stands beside it, and not before", async () => {
    const retired = await readFile(path.join(app.dataDir, "audit-signing-key.pem"), "utf8");
    const file = path.join(app.dataDir, "new-key.pem");
    const fresh = newKey();
    await writeFile(file, fresh);
    const config = { ...app.services.config, auditSigningKey: file };
    await happen(box, 1);
    await expect(sealLedger({ ...app.ctx(), config })).rejects.toThrow("was not signed by a key of AUDIT_SIGNING_KEY");
    await writeFile(file, `${fresh}${publicHalf(retired)}`);
    await sealLedger({ ...app.ctx(), config });
    const { trusted } = await readSigningKeys(config);
    expect(trusted.size).toBe(2);
    expect(await verified(app, { trusted })).toEqual({ findings: [], seals: 5, events: 17, unsealed: 0 });
  });

  test("needs a private key, and every key to be Ed25519", async () => {
    expect(parseSigningKeys(publicHalf(newKey())).signer).toBeNull();
    expect(() => parseSigningKeys("no key")).toThrow("it holds no PRIVATE KEY and no PUBLIC KEY in PEM");
    const rsa = generateKeyPairSync("rsa", { modulusLength: 1024 }).publicKey.export({ type: "spki", format: "pem" });
    expect(() => parseSigningKeys(String(rsa))).toThrow("it holds a key that is not Ed25519");
  });
});

describe("after six years", () => {
  test("the owner may remove events, the oldest first, and the rest still proves itself", async () => {
    const owner = await createDataSource({ url: app.databaseUrl, poolSize: 1, patient: true }).initialize();
    const [{ at } = { at: new Date() }] = await sql<{ at: Date }>(app, "select max(at) as at from events");
    const then = new Date(at);
    then.setUTCFullYear(then.getUTCFullYear() + LEDGER_YEARS);
    expect(keptSince(then)).toEqual(at);
    try {
      expect(await pruneLedger(owner, before(then, DAY))).toBe(0);
      expect(await pruneLedger(owner, then)).toBe(15); // The last was sealed at that very instant, and is not older
      expect(await verified(app, { now: then })).toEqual({ findings: [], seals: 4, events: 2, unsealed: 1 });
      expect((await verified(app, { now: before(then, DAY) })).findings).toHaveLength(15);
    } finally {
      await owner.destroy();
    }
  });
});

test("PostgreSQL, which hashes rows to seal them, and we, who verify them, agree on every character", async () => {
  const all = Array.from({ length: 0x250 }, (_, n) => String.fromCodePoint(n + 1)).join("");
  await happen(box, 1);
  await sql(
    app,
    "update events set code = $1, action = 'a\"\\b' where sequence = (select max(sequence) from events where mailbox_id = $2) and mailbox_id = $2",
    [`${all}\u2028\u2029\ufffd\u{1f4e8}`, box],
  );
  await sealLedger(app.ctx());
  expect((await verified(app)).findings).toEqual([]);
});

test("the bytes are those of docs/audit.md", async () => {
  const text = await readFile(path.join(import.meta.dirname, "..", "..", "docs", "audit.md"), "utf8");
  const [, vector = ""] = /```json\n(\{[^`]+\})\n```/.exec(text) ?? [];
  const { key, mailboxId, toSequence, rows, hashes, content, jws } = JSON.parse(vector) as Vector;
  const events = rows.map(([id, at, action, actorId, subjectId, messageId, code, counterpartId, wasSent, openedAt]) => {
    return { id, at, action, actorId, subjectId, messageId, code, counterpartId, wasSent, openedAt };
  });
  expect(events.map((event) => hashEvent(event).toString("hex"))).toEqual(hashes);
  const digest = new ContentDigest();
  digest.add({ mailboxId, toSequence, hashes: Buffer.from(hashes.join(""), "hex") });
  expect(digest.end()).toBe(content);
  const { signer } = parseSigningKeys(`-----BEGIN PRIVATE KEY-----\n${key}\n-----END PRIVATE KEY-----`);
  if (signer === null) throw new Error("There is no key");
  expect(signSeal({ number: 1, previous: null, sealedAt: "2026-03-02T09:01:00.000Z", events: 2, content }, signer)).toBe(jws);
});

test("npm run audit:verify prints each finding in a line and ends with 1, or with 0 where there is none", async () => {
  expect(await auditVerify()).toEqual({ code: 0, stdout: "16 events, 4 seals; 0 events are not sealed yet.\nThe ledger is whole.\n" });
  const published = path.join(app.dataDir, "seal.jws");
  await writeFile(published, `${await seal(4)}\n`);
  expect((await auditVerify("--seal", published)).code).toBe(0);
  await sql(app, "delete from events where mailbox_id = $1 and sequence = 4", [box]);
  await sql(app, "update events set code = 'X' where mailbox_id = $1 and sequence = 5", [box]);
  expect(await auditVerify()).toEqual({
    code: 1,
    stdout: [
      `mailbox ${box}, sequence 4: removed`,
      `mailbox ${box}, sequence 5: changed`,
      "15 events, 4 seals; 0 events are not sealed yet.",
      "The ledger is NOT whole: 2 findings.\n",
    ].join("\n"),
  });
}, 60_000);

interface Vector {
  readonly key: string;
  readonly mailboxId: string;
  readonly toSequence: number;
  readonly rows: [
    id: string,
    at: string,
    action: string,
    actorId: string | null,
    subjectId: string | null,
    messageId: string | null,
    code: string | null,
    counterpartId: string | null,
    wasSent: string | null,
    openedAt: string | null,
  ][];
  readonly hashes: string[];
  readonly content: string;
  readonly jws: string;
}

function newKey(): string {
  return String(generateKeyPairSync("ed25519").privateKey.export({ type: "pkcs8", format: "pem" }));
}

function publicHalf(pem: string): string {
  const [key] = parseSigningKeys(pem).trusted.values();
  return String(key?.export({ type: "spki", format: "pem" }));
}

function fault(seal: number, fault: string): Finding {
  return { what: "seal", seal, fault };
}

function byMailbox(one: object, other: object): number {
  return JSON.stringify(one) < JSON.stringify(other) ? -1 : 1;
}

function mailbox(name: string): Promise<string> {
  return openMailbox(app.ctx(), { address: `${name}@mail.example`, kind: MailboxKind.PERSON, displayName: name });
}

async function happen(mailboxId: string, times: number): Promise<void> {
  for (let n = 0; n < times; n += 1) await record(app.ctx(), { action: "message.received", mailboxId, subjectId: randomUUID(), messageId: randomUUID() });
}

async function insertRow(mailboxId: string, sequence: number): Promise<void> {
  await sql(app, "insert into events (mailbox_id, sequence, id, at, action) values ($1, $2, $3, $4, 'message.sent')", [
    mailboxId,
    sequence,
    randomUUID(),
    app.clock.now(),
  ]);
}

async function seal(number: number): Promise<string> {
  const [row] = await sql<{ jws: string }>(app, "select jws from seals where number = $1", [number]);
  return row?.jws ?? "";
}

async function replaceSeal(number: number, jws: string): Promise<void> {
  await sql(app, "update seals set jws = $2 where number = $1", [number, jws]);
}

/** Puts the hash of a row as it is now in the place of that it was sealed with. */
async function rehash(mailboxId: string, sequence: number): Promise<void> {
  const [row] = await sql<EventText>(app, `select ${eventText} from events e where mailbox_id = $1 and sequence = $2`, [mailboxId, sequence]);
  if (!row) throw new Error("There is no such row");
  await sql(
    app,
    `update sealed_ranges set hashes = overlay(hashes placing $3 from ((($2 - to_sequence) * 32) + length(hashes) - 31)::int)
     where mailbox_id = $1 and to_sequence = (select min(to_sequence) from sealed_ranges where mailbox_id = $1 and to_sequence >= $2)`,
    [mailboxId, sequence, hashEvent(row)],
  );
}

async function auditVerify(...args: string[]): Promise<{ code: number; stdout: string }> {
  const env = {
    PATH: process.env.PATH,
    PARTS: "api",
    DATABASE_URL: app.databaseUrl,
    PUBLIC_URL: "https://mail.insurer.example",
    SECRET_KEY: randomBytes(32).toString("base64"),
    KEYRING: `file:${path.join(app.dataDir, "master-keys")}`,
    ORGANISATION_NAME: "Example Health",
    ORGANISATION_DOMAINS: "insurer.example",
    AUDIT_SIGNING_KEY: path.join(app.dataDir, "audit-signing-key.pem"),
  };
  return promisify(execFile)(process.execPath, ["--import", "tsx", "src/audit-verify.ts", ...args], {
    cwd: path.join(import.meta.dirname, "..", ".."),
    env,
  }).then(
    ({ stdout }) => ({ code: 0, stdout }),
    ({ code, stdout }: { code: number; stdout: string }) => ({ code, stdout }),
  );
}
