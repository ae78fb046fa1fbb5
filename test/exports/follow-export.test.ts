import { randomBytes } from "node:crypto";
import { Readable } from "node:stream";
import { setTimeout as pause } from "node:timers/promises";
import { ExportChangedDocument, type ExportStatusFragment } from "../../operations/generated/operations.ts";
import { buildExports } from "../../src/exports/build-exports.ts";
import { startTestApp, type TestApp } from "../support/app.ts";
import { requestExport } from "../support/exports.ts";
import { deliver, sendMessage, sent } from "../support/mail.ts";
import { createTeam, employee, member, type SignedInPerson } from "../support/people.ts";
import { sql } from "../support/sql.ts";

let app: TestApp;
let erin: SignedInPerson;
let maria: SignedInPerson;

beforeEach(async () => {
  app = await startTestApp();
  erin = await employee(app, "erin");
  maria = await member(app, "maria");
});

afterEach(() => app.close());

test("an export is followed from where it is, step by step in order, until it is ready, though another process makes it", async () => {
  for (let n = 0; n < 60; n += 1) await deliver(erin, maria, { subject: `No. ${n}`, text: randomBytes(30_000).toString("hex") });
  const { id } = await requestExport(maria, { mailboxId: maria.mailboxId });
  const events: ExportStatusFragment[] = [];
  const live = maria.client.subscribe(ExportChangedDocument, { id });
  const worker = await startTestApp({ beside: app });
  try {
    events.push(...[await live.next()].map((event) => event?.exportChanged).filter((event) => event !== undefined));
    expect(events).toMatchObject([{ id, state: "PENDING", doneCount: 0, messageCount: 60 }]);
    const { blobs } = worker.services;
    const slow = {
      get: blobs.get.bind(blobs),
      remove: blobs.remove.bind(blobs),
      put: (blobId: string, bytes: AsyncIterable<Buffer>) => blobs.put(blobId, slowly(bytes)),
    };
    const made = buildExports({ ...worker.ctx(), blobs: slow }, new AbortController().signal);
    for (let event; (event = await live.next()) !== null;) events.push(event.exportChanged);
    await made;
  } finally {
    await live.close();
    await worker.close();
  }
  const running = events.filter(({ state }) => state === "RUNNING");
  expect(events.map(({ state }) => state)).toEqual(["PENDING", ...running.map(() => "RUNNING"), "READY"]);
  expect(running.length).toBeGreaterThan(1);
  expect(events.map(({ doneCount }) => doneCount)).toEqual(events.map(({ doneCount }) => doneCount).toSorted((a, b) => a - b));
  expect(events.at(-1)).toMatchObject({ doneCount: 60, downloadUrl: `/exports/${id}` });
});

test("an export that is ready already is told once", async () => {
  await deliver(erin, maria);
  const { id } = await requestExport(maria, { mailboxId: maria.mailboxId });
  await app.runJobsOnce();
  const live = maria.client.subscribe(ExportChangedDocument, { id });
  try {
    expect((await live.next())?.exportChanged).toMatchObject({ state: "READY" });
    expect(await live.next()).toBeNull();
  } finally {
    await live.close();
  }
});

test("following ends when the viewer has lost the mailbox", async () => {
  const team = await createTeam(app, "claims", [erin]);
  sent(await sendMessage(maria, { to: [team.address] }));
  const { id } = await requestExport(erin, { mailboxId: team.mailboxId });
  const live = erin.client.subscribe(ExportChangedDocument, { id });
  try {
    expect((await live.next())?.exportChanged).toMatchObject({ state: "PENDING" });
    await sql(app, "update mailbox_holders set ends_at = $1 where mailbox_id = $2", [app.clock.now(), team.mailboxKey]);
    await app.runJobsOnce();
    expect(await live.next()).toBeNull();
  } finally {
    await live.close();
  }
});

/** As from a store that is not in a hurry. */
function slowly(bytes: AsyncIterable<Buffer>): Readable {
  return Readable.from(bytes).map(async (part: Buffer) => {
    await pause(100);
    return part;
  });
}
