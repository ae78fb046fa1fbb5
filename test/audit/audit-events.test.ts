import { AccountKind } from "../../src/accounts/account.ts";
import { MINUTE } from "../../src/clock.ts";
import { encodeId } from "../../src/graphql/node-id.ts";
import { record } from "../../src/ledger/record.ts";
import { sealLedger } from "../../src/ledger/seal-ledger.ts";
import { START, startTestApp, type TestApp } from "../support/app.ts";
import { Client } from "../support/client.ts";
import { deliver } from "../support/mail.ts";
import { employee, member, signedInPerson, type SignedInPerson } from "../support/people.ts";
import { eventsOf, sql } from "../support/sql.ts";

interface AuditRow {
  readonly id: string;
  readonly at: string;
  readonly action: string | null;
  readonly actor: { readonly id: string; readonly userId: string; readonly displayName: string } | null;
  readonly mailboxId: string | null;
  readonly mailboxAddress: string | null;
  readonly sequence: number;
  readonly subjectId: string | null;
  readonly messageId: string | null;
  readonly code: string | null;
  readonly sealedBy: number | null;
}

interface Page {
  readonly auditEvents: {
    readonly edges: { readonly cursor: string; readonly node: AuditRow }[];
    readonly pageInfo: { hasNextPage: boolean; endCursor: string | null };
  };
}

const QUERY = `query ($filter: AuditFilter, $first: Int, $after: String) {
  auditEvents(filter: $filter, first: $first, after: $after) {
    edges { cursor node { id at action actor { id userId displayName } mailboxId mailboxAddress sequence subjectId messageId code counterpartId wasSent openedAt sealedBy } }
    pageInfo { hasNextPage endCursor }
  }
}`;

let app: TestApp;
let ada: SignedInPerson;
let erin: SignedInPerson;
let maria: SignedInPerson;

beforeAll(async () => {
  app = await startTestApp({ config: { stepUpMinutes: 1440 } });
  ada = await signedInPerson(app, "ada", AccountKind.ADMINISTRATOR);
  [erin, maria] = [await employee(app, "erin"), await member(app, "maria")];
  await deliver(erin, maria, { subject: "A secret subject" });
  app.clock.advance(30 * MINUTE);
  await deliver(erin, maria);
  await erin.client.send('mutation { signIn(input: { userId: "erin", password: "wrong" }) { __typename } }');
  await sealLedger(app.ctx());
});

afterAll(() => app.close());

test("an administrator sees what happened, newest first, with who did it, where, and the seal that proves it", async () => {
  const { edges } = await page({ mailboxId: maria.mailboxId });
  expect(edges.map(({ node: { action, sequence } }) => [action, sequence])).toEqual([
    ["MESSAGE_RECEIVED", 2],
    ["MESSAGE_RECEIVED", 1],
  ]);
  expect(edges[1]?.node).toEqual({
    id: expect.any(String),
    at: START.toISOString(),
    action: "MESSAGE_RECEIVED",
    actor: { id: encodeId("Account", erin.accountId), userId: "erin", displayName: "Test erin" },
    mailboxId: maria.mailboxId,
    mailboxAddress: maria.address,
    sequence: 1,
    subjectId: expect.any(String),
    messageId: expect.any(String),
    code: null,
    counterpartId: null,
    wasSent: null,
    openedAt: null,
    sealedBy: 1,
  });
  expect((await page({ action: "REQUEST_REFUSED" })).edges[0]?.node).toMatchObject({
    code: "INVALID_CREDENTIALS",
    actor: { userId: "erin" },
    mailboxId: null,
    mailboxAddress: null,
  });
});

test("filters hold one by one and together", async () => {
  const all = await rows({});
  expect(all.map(({ id }) => id)).toEqual(
    all
      .map(({ id }) => id)
      .toSorted()
      .reverse(),
  );
  const actorId = encodeId("Account", erin.accountId);
  const [since, until] = [new Date(START.getTime() + 30 * MINUTE).toISOString(), new Date(START.getTime() + 1).toISOString()];
  const cases: [filter: object, holds: (row: AuditRow) => boolean][] = [
    [{ actorId }, ({ actor }) => actor?.userId === "erin"],
    [{ mailboxId: erin.mailboxId }, ({ mailboxAddress }) => mailboxAddress === erin.address],
    [{ action: "MESSAGE_SENT" }, ({ action }) => action === "MESSAGE_SENT"],
    [{ since }, ({ at }) => at >= since],
    [{ until }, ({ at }) => at < until],
    [{ actorId, mailboxId: maria.mailboxId, action: "MESSAGE_RECEIVED", since }, ({ at, mailboxAddress }) => at >= since && mailboxAddress === maria.address],
  ];
  for (const [filter, holds] of cases) {
    const expected = all.filter(holds).map(({ id }) => id);
    expect(expected.length).toBeGreaterThan(0);
    expect(expected.length).toBeLessThan(all.length);
    const found = (await rows(filter)).map(({ id }) => id);
    expect(found.filter((id) => all.some((row) => row.id === id))).toEqual(expected);
  }
});

test("pages follow one another without a gap or a double, though more happens meanwhile", async () => {
  const all = (await rows({ mailboxId: erin.mailboxId })).map(({ id }) => id);
  const walked: string[] = [];
  for (let after: string | null = null; ;) {
    const { edges, pageInfo } = await page({ mailboxId: erin.mailboxId }, 1, after);
    walked.push(...edges.map(({ node }) => node.id));
    after = pageInfo.endCursor;
    if (!pageInfo.hasNextPage) break;
  }
  expect(all.length).toBeGreaterThan(1);
  expect(walked).toEqual(all);
});

test("to look at the audit, and to export it, is itself recorded", async () => {
  const before = (await eventsOf(app)).length;
  await rows({});
  await (await ada.client.download("/audit/events")).text();
  expect((await eventsOf(app)).slice(before)).toMatchObject([
    { action: "audit.viewed", actor_id: ada.accountId },
    { action: "audit.exported", actor_id: ada.accountId },
  ]);
  expect((await rows({ action: "AUDIT_VIEWED" }))[0]).toMatchObject({ actor: { userId: "ada" }, sealedBy: null });
});

test("what a newer version has recorded is shown without its name", async () => {
  await sql(
    app,
    "insert into events (mailbox_id, sequence, id, at, action) select mailbox_id, 999, 'ffffffff-0000-7000-8000-000000000000', at, 'thing.invented' from events limit 1",
  );
  expect((await rows({}))[0]).toMatchObject({ id: "ffffffff-0000-7000-8000-000000000000", action: null, sequence: 999, sealedBy: null });
  await sql(app, "delete from events where sequence = 999");
});

test("the seals can be fetched, newest first", async () => {
  const answer = await ada.client.send("{ auditSeals(first: 1) { edges { node { number sealedAt eventCount jws } } pageInfo { hasNextPage } } }");
  const [{ jws } = { jws: "" }] = await sql<{ jws: string }>(app, "select jws from seals where number = 1");
  expect(answer.data).toEqual({
    auditSeals: {
      edges: [{ node: { number: 1, sealedAt: app.clock.now().toISOString(), eventCount: expect.any(Number), jws } }],
      pageInfo: { hasNextPage: false },
    },
  });
});

describe("the export", () => {
  test("gives the same events as CSV and as JSON lines, with the filters of the query", async () => {
    const query = `mailboxId=${maria.mailboxId}&since=${START.toISOString()}&action=MESSAGE_RECEIVED`;
    const [csv, jsonl] = await Promise.all([ada.client.download(`/audit/events?${query}`), ada.client.download(`/audit/events?format=jsonl&${query}`)]);
    expect([csv.status, csv.headers.get("content-type"), csv.headers.get("content-disposition")]).toEqual([
      200,
      "text/csv; charset=utf-8",
      'attachment; filename="audit-events.csv"',
    ]);
    const lines = (await jsonl.text()).trim().split("\n");
    const entries = lines.map((line) => JSON.parse(line) as Record<string, string | number | null>);
    expect(entries).toEqual(
      (await rows({ mailboxId: maria.mailboxId })).map(({ actor, ...row }) => ({ ...row, actorId: actor?.id, actorUserId: actor?.userId })),
    );
    const [header = "", ...cells] = (await csv.text()).trim().split("\r\n");
    expect(cells).toEqual(
      entries.map((entry) =>
        header
          .split(",")
          .map((column) => String(entry[column] ?? ""))
          .join(","),
      ),
    );
    expect(header.split(",").toSorted()).toEqual(Object.keys(entries[0] ?? {}).toSorted());
  });

  test("turns what a spreadsheet would run into plain text", async () => {
    await sql(app, `update accounts set user_id = '=cmd|"/c calc"!A1' where id = $1`, [erin.accountId]);
    const [, row = ""] = (await (await ada.client.download(`/audit/events?mailboxId=${maria.mailboxId}`)).text()).split("\r\n");
    expect(row).toContain(`,"'=cmd|""/c calc""!A1",`);
    await sql(app, "update accounts set user_id = 'erin' where id = $1", [erin.accountId]);
  });

  test("comes whole where it is longer than what is read at once", async () => {
    const happenings = Array.from({ length: 1250 }, () => ({ action: "session.ended" as const, actorId: null }));
    await record(app.ctx(), ...happenings, ...happenings);
    const text = await (await ada.client.download("/audit/events?format=jsonl&action=SESSION_ENDED")).text();
    const ids = text
      .trim()
      .split("\n")
      .map((line) => (JSON.parse(line) as { id: string }).id);
    expect(new Set(ids).size).toBe(2500);
    expect(ids).toEqual(ids.toSorted().reverse());
  });

  test("is refused to everybody but administrators, and where its address says what it does not know", async () => {
    expect((await new Client(app.url).download("/audit/events")).status).toBe(401);
    for (const { client } of [erin, maria]) expect((await client.download("/audit/events")).status).toBe(403);
    for (const query of ["format=xml", "since=yesterday", "action=NOTHING", "since=2026-01-01&since=2026-01-02"])
      expect((await ada.client.download(`/audit/events?${query}`)).status).toBe(400);
    expect((await ada.client.download("/audit/events?actorId=x")).status).toBe(404);
    expect((await ada.client.download("/audit/events?since=2026-01-01&format=csv")).status).toBe(200);
  });
});

async function page(filter: object, first = 100, after: string | null = null): Promise<Page["auditEvents"]> {
  const { data, errors } = await ada.client.send<Page>(QUERY, { filter, first, after });
  if (!data) throw new Error(`The query failed: ${JSON.stringify(errors)}`);
  return data.auditEvents;
}

async function rows(filter: object): Promise<AuditRow[]> {
  return (await page(filter)).edges.map(({ node }) => node);
}
