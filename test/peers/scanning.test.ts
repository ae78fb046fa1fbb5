import { type ChildProcess, spawn } from "node:child_process";
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import path from "node:path";
import type { TypedDocumentNode } from "@graphql-typed-document-node/core";
import { parse } from "graphql";
import { scanAttachments } from "../../src/attachments/scan-attachments.ts";
import { MINUTE } from "../../src/clock.ts";
import { decodeAnyId } from "../../src/graphql/node-id.ts";
import { startTestApp, type TestApp } from "../support/app.ts";
import { zipOf } from "../support/archives.ts";
import { eventually } from "../support/eventually.ts";
import { deliver, openMessage } from "../support/mail.ts";
import { employee, member, type SignedInPerson } from "../support/people.ts";
import { eventsOf } from "../support/sql.ts";
import { ClamavDaemon, EICAR } from "./clamav-daemon.ts";

let clamav: ClamavDaemon;
let app: TestApp;
let erin: SignedInPerson;
let maria: SignedInPerson;

beforeAll(async () => {
  clamav = await ClamavDaemon.open();
  app = await startTestApp({ startAt: new Date(), config: { clamd: clamav.address }, limits: { scanSeconds: 20 } });
  [erin, maria] = [await employee(app, "erin"), await member(app, "maria")];
});

afterAll(async () => {
  await app.close();
  await clamav.close();
});

test("EICAR is found, alone, in a zip and in a zip in a zip; what is clean is served", async () => {
  const zipped = zipOf([{ data: Buffer.from(EICAR) }]);
  const infected = [
    await erin.client.uploaded("eicar.txt", EICAR),
    await erin.client.uploaded("eicar.zip", zipped),
    await erin.client.uploaded("eicar.zip.zip", zipOf([{ name: "eicar.zip", data: Buffer.from(zipped) }])),
  ];
  const large = randomBytes(25 * 1024 * 1024);
  const harmless = [await erin.client.uploaded("letter.txt", "Some words."), await erin.client.uploaded("large.bin", new Uint8Array(large))];
  const empty = await erin.client.uploaded("empty", "");
  const letter = await deliver(erin, maria, { attachmentIds: [...infected, ...harmless, empty] });
  await app.runJobsOnce();

  const { attachments } = await openMessage(maria, letter.id);
  expect(attachments.map(({ state }) => state)).toEqual(["REJECTED", "REJECTED", "REJECTED", "CLEAN", "CLEAN", "CLEAN"]);
  for (const person of [erin, maria]) {
    for (const id of infected) expect((await person.client.download(`/attachments/${id}`)).status).toBe(403);
    expect(await (await person.client.download(`/attachments/${harmless[0]}`)).text()).toBe("Some words.");
    expect(Buffer.from(await (await person.client.download(`/attachments/${harmless[1]}`)).arrayBuffer()).equals(large)).toBe(true);
  }
  const rejected = (await eventsOf(app, maria.mailboxKey)).filter(({ action }) => action === "attachment.rejected");
  expect(rejected.map(({ code }) => code)).toEqual(infected.map(() => "Eicar-Test-Signature.UNOFFICIAL"));
});

test("while clamd is stopped files are held and the sender is told; once it is back they are scanned", async () => {
  await clamav.stop();
  const [infected, harmless] = [await erin.client.uploaded("eicar.txt", EICAR), await erin.client.uploaded("letter.txt", "Some words.")];
  await deliver(erin, maria, { attachmentIds: [infected, harmless] });
  await app.runJobsOnce();
  for (const id of [infected, harmless]) {
    expect(await stateOf(erin, id)).toMatchObject({ heldSince: app.clock.now().toISOString() });
    expect((await maria.client.download(`/attachments/${id}`)).status).toBe(409);
    expect(await told("attachment.held", id)).toBe(1);
  }
  await clamav.start();
  app.clock.advance(MINUTE);
  await scanAttachments(app.ctx());
  expect([await stateOf(erin, infected), await stateOf(erin, harmless)]).toMatchObject([{ state: "REJECTED" }, { state: "CLEAN" }]);
});

test("a worker killed in the middle of a scan leaves the file unserved, and the next one scans it", async () => {
  app.clock.moveTo(new Date()); // As the worker has it
  clamav.freeze(true);
  const [infected, harmless] = [await erin.client.uploaded("eicar.txt", EICAR), await erin.client.uploaded("letter.txt", "Some words.")];
  const worker = startWorker();
  const exited = once(worker, "exit");
  try {
    await eventually(async () => {
      const states = [await stateOf(erin, infected), await stateOf(erin, harmless)];
      expect(states).toContainEqual({ state: "SCANNING", heldSince: null });
    }, 60_000);
  } finally {
    worker.kill("SIGKILL");
    await exited;
    clamav.freeze(false);
  }
  for (const id of [infected, harmless]) expect((await erin.client.download(`/attachments/${id}`)).status).toBe(409);
  app.clock.advance(10 * MINUTE);
  await scanAttachments(app.ctx());
  expect([await stateOf(erin, infected), await stateOf(erin, harmless)]).toMatchObject([{ state: "REJECTED" }, { state: "CLEAN" }]);
  expect([await told("attachment.rejected", infected), await told("attachment.cleared", harmless)]).toEqual([1, 1]);
});

/** A worker as it runs in production, in a process of its own, on this test's database and files. */
function startWorker(): ChildProcess {
  const root = path.join(import.meta.dirname, "..", "..");
  const signingKeyFile = path.join(app.dataDir, "worker-signing-key.pem");
  writeFileSync(signingKeyFile, generateKeyPairSync("ed25519").privateKey.export({ type: "pkcs8", format: "pem" }), { mode: 0o600 });
  const env = {
    PATH: process.env.PATH,
    PARTS: "worker",
    DATABASE_URL: app.databaseUrl,
    DATA_DIR: app.dataDir,
    SECRET_KEY: Buffer.alloc(32, 7).toString("base64"),
    AUDIT_SIGNING_KEY: signingKeyFile,
    KEYRING: `file:${path.join(app.dataDir, "master-keys")}`,
    PUBLIC_URL: "http://localhost",
    ORGANISATION_NAME: "Example Health",
    ORGANISATION_DOMAINS: "insurer.example",
    SMTP_URL: "smtp://localhost:1",
    MAIL_FROM: "no-reply@insurer.example",
    CLAMD: `unix:${clamav.address.path}`,
  };
  return spawn(process.execPath, ["--import", "tsx", "src/main.ts"], { cwd: root, env, stdio: "ignore" });
}

async function stateOf(person: SignedInPerson, id: string): Promise<{ state: string; heldSince: string | null } | null> {
  return (await person.client.run(FileDocument, { id })).node;
}

/** How often this was recorded of a file in its sender's mailbox. */
async function told(action: string, id: string): Promise<number> {
  const uuid = decodeAnyId(id)?.uuids[0];
  return (await eventsOf(app, erin.mailboxKey)).filter((event) => event.action === action && event.subject_id === uuid).length;
}

const FileDocument: TypedDocumentNode<{ node: { state: string; heldSince: string | null } | null }, { id: string }> = parse(
  "query ($id: ID!) { node(id: $id) { ... on Attachment { state heldSince } } }",
);
