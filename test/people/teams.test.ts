import {
  AddTeamMemberDocument,
  CreateTeamDocument,
  InviteEmployeeDocument,
  MailboxChangedDocument,
  RemoveTeamMemberDocument,
  TeamsDocument,
  ViewerDocument,
} from "../../operations/generated/operations.ts";
import { AccountKind } from "../../src/accounts/account.ts";
import { HOUR } from "../../src/clock.ts";
import { encodeId } from "../../src/graphql/node-id.ts";
import { newId } from "../../src/ids.ts";
import { START, startTestApp, type TestApp } from "../support/app.ts";
import { Client } from "../support/client.ts";
import { eventually } from "../support/eventually.ts";
import { sendMessage } from "../support/mail.ts";
import { employee, member, PASSWORD, signedInPerson, type SignedInPerson } from "../support/people.ts";
import { eventsOf } from "../support/sql.ts";
import { fetchFolder } from "../support/writing.ts";

let app: TestApp;
let ada: SignedInPerson;
let erin: SignedInPerson;
let maria: SignedInPerson;

beforeAll(async () => {
  app = await startTestApp({ config: { session: { idleMinutes: 43_200, hours: 8_760 } } });
  [ada, erin, maria] = [await signedInPerson(app, "ada", AccountKind.ADMINISTRATOR), await employee(app, "erin"), await member(app, "maria")];
});

afterAll(() => app.close());
afterEach(() => app.clock.moveTo(START));

test("a team gets the mail that waited for it, its members read and write until they are taken out, and the ledger has it all", async () => {
  await sendMessage(maria, { to: ["claims@insurer.example"], subject: "To whom it may concern" });
  const known = (await eventsOf(app)).length;
  const { mailboxId } = await created("Claims@Insurer.example", "Claims  team");
  expect(await mailboxesOf(erin)).not.toContain(mailboxId);

  expect(await add(mailboxId, erin, "WRITER")).toMatchObject({ team: { members: [{ account: { displayName: "Test erin" }, role: "WRITER", until: null }] } });
  expect(await mailboxesOf(erin)).toContain(mailboxId);
  expect((await fetchFolder(erin.client, mailboxId)).map(({ subject }) => subject)).toEqual(["To whom it may concern"]);
  expect(await sendMessage({ ...erin, mailboxId }, { to: [maria.address] })).toMatchObject({ message: { id: expect.any(String) } });
  expect(await add(mailboxId, erin, "READER")).toMatchObject({ team: { members: [{ role: "READER" }] } });
  expect(await sendMessage({ ...erin, mailboxId }, { to: [maria.address] })).toMatchObject({ code: "MAILBOX_READ_ONLY" });

  const feed = erin.client.subscribe(MailboxChangedDocument, { mailboxId, after: null });
  const first = feed.next();
  await eventually(async () => {
    await sendMessage(maria, { to: ["claims@insurer.example"] });
    expect(await Promise.race([first, Promise.resolve(null)])).not.toBeNull();
  });
  expect(await remove(mailboxId, erin)).toMatchObject({ team: { members: [] } });
  await eventually(async () => expect(await feed.next()).toBeNull(), 2000);
  await feed.close();
  expect(await mailboxesOf(erin)).not.toContain(mailboxId);
  expect(await remove(mailboxId, erin)).toMatchObject({ code: "NOT_FOUND", field: "accountId" });

  const events = (await eventsOf(app)).slice(known).filter(({ action }) => action.startsWith("team."));
  const key = events[0]?.subject_id;
  expect(events).toEqual([
    { action: "team.created", actor_id: ada.accountId, subject_id: expect.any(String), message_id: null, code: null },
    { action: "team.member-added", actor_id: ada.accountId, subject_id: erin.accountId, message_id: null, code: `${key} WRITER` },
    { action: "team.member-added", actor_id: ada.accountId, subject_id: erin.accountId, message_id: null, code: `${key} READER` },
    { action: "team.member-removed", actor_id: ada.accountId, subject_id: erin.accountId, message_id: null, code: key },
  ]);
});

test("a membership with an end is over at that instant, and may be given anew", async () => {
  const { mailboxId } = await created("summer@insurer.example");
  const until = new Date(START.getTime() + HOUR).toISOString();
  expect(await add(mailboxId, erin, "WRITER", until)).toMatchObject({ team: { members: [{ until }] } });
  app.clock.advance(HOUR - 1);
  expect(await mailboxesOf(erin)).toContain(mailboxId);
  app.clock.advance(1);
  expect(await mailboxesOf(erin)).not.toContain(mailboxId);
  expect(await add(mailboxId, erin, "WRITER")).toMatchObject({ code: "STEP_UP_REQUIRED" });
  ada = { ...ada, client: await Client.signIn(app.url, "ada", PASSWORD) };
  expect(await add(mailboxId, erin, "WRITER", until)).toMatchObject({ code: "INVALID_INPUT", field: "until" });
  expect(await add(mailboxId, erin, "WRITER")).toMatchObject({ team: { members: [{ until: null }] } });
  expect(await mailboxesOf(erin)).toContain(mailboxId);
});

test("a team has an address of ours that belongs to nobody, and only employees", async () => {
  for (const [address, code] of [
    ["claims@insurer.example.evil.com", "INVALID_INPUT"],
    ["claims", "INVALID_ADDRESS"],
    ["erin@insurer.example", "ADDRESS_TAKEN"],
  ] as const)
    expect(await create(address)).toMatchObject({ code, field: "address" });
  expect(await create("team@insurer.example", "=1+1")).toMatchObject({ code: "INVALID_INPUT", field: "displayName" });
  const { mailboxId } = await created("only@insurer.example");
  expect(await create("only@insurer.example")).toMatchObject({ code: "ADDRESS_TAKEN" });
  expect(await add(mailboxId, maria, "READER")).toMatchObject({ code: "INVALID_INPUT", field: "accountId" });
  expect(await add(mailboxId, erin, "OWNER")).toMatchObject({ code: "INVALID_INPUT", field: "role" });
  expect(await add(erin.mailboxId, ada, "READER")).toMatchObject({ code: "NOT_FOUND", field: "mailboxId" });
  expect(await remove(erin.mailboxId, erin)).toMatchObject({ code: "NOT_FOUND", field: "mailboxId" });
  expect(await add(mailboxId, { accountId: newId(START) }, "READER")).toMatchObject({ code: "NOT_FOUND", field: "accountId" });
  expect(await mailboxesOf(erin)).toContain(erin.mailboxId);
});

test("of a team and a person who are given one address at the same moment, one gets it", async () => {
  for (let n = 0; n < 5; n += 1) {
    const address = `contested-${n}@insurer.example`;
    const invite = ada.client.run(InviteEmployeeDocument, { input: { address, displayName: "Person", kind: null, language: null } });
    const [team, { inviteEmployee }] = await Promise.all([create(address), invite]);
    const won = [team, inviteEmployee].filter((result) => !("code" in result));
    expect(won).toHaveLength(1);
    expect([team, inviteEmployee].filter((result) => "code" in result)).toMatchObject([{ code: "ADDRESS_TAKEN" }]);
  }
});

test("the list of teams comes in the order of addresses, page by page, to administrators", async () => {
  await created("zzz@insurer.example");
  await created("aaa@insurer.example");
  const whole = await ada.client.run(TeamsDocument, { first: 100, after: null });
  const addresses = whole.teams?.edges.map(({ node }) => node.address) ?? [];
  expect(addresses).toEqual(addresses.toSorted());
  expect(addresses).toEqual(expect.arrayContaining(["aaa@insurer.example", "zzz@insurer.example"]));
  const first = await ada.client.run(TeamsDocument, { first: 1, after: null });
  const second = await ada.client.run(TeamsDocument, { first: 1, after: first.teams?.pageInfo.endCursor ?? null });
  expect([first, second].map(({ teams }) => teams?.edges[0]?.node.address)).toEqual(addresses.slice(0, 2));
  expect(await erin.client.refusals("{ teams { edges { cursor } } }")).toEqual(["FORBIDDEN"]);
});

async function create(address: string, displayName = "Some team") {
  return (await ada.client.run(CreateTeamDocument, { input: { address, displayName } })).createTeam;
}

async function created(address: string, displayName?: string) {
  const result = await create(address, displayName);
  if (!("team" in result)) throw new Error(`The team was refused: ${result.code}`);
  return result.team;
}

async function add(mailboxId: string, { accountId }: { accountId: string }, role: "OWNER" | "WRITER" | "READER", until: string | null = null) {
  return (await ada.client.run(AddTeamMemberDocument, { input: { mailboxId, accountId: encodeId("Account", accountId), role, until } })).addTeamMember;
}

async function remove(mailboxId: string, { accountId }: { accountId: string }) {
  return (await ada.client.run(RemoveTeamMemberDocument, { input: { mailboxId, accountId: encodeId("Account", accountId) } })).removeTeamMember;
}

async function mailboxesOf({ client }: SignedInPerson): Promise<string[]> {
  return (await client.run(ViewerDocument, {})).viewer?.mailboxes.map(({ id }) => id) ?? [];
}
