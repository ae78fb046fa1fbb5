import { ViewerDocument } from "../../operations/generated/operations.ts";
import { MINUTE, after } from "../../src/clock.ts";
import { encodeId } from "../../src/graphql/node-id.ts";
import { newId } from "../../src/ids.ts";
import { ORGANISATION_STREAM } from "../../src/ledger/event.ts";
import { HolderRole } from "../../src/mailboxes/mailbox-holder.ts";
import { MailboxKind } from "../../src/mailboxes/mailbox.ts";
import { letIn, openMailbox } from "../../src/mailboxes/open-mailbox.ts";
import { START, startTestApp, type TestApp } from "../support/app.ts";
import { folderOf, messagesOf, newestOf, openMessage, sendMessage, sent } from "../support/mail.ts";
import { createTeam, employee, member } from "../support/people.ts";
import { sql } from "../support/sql.ts";

let app: TestApp;

beforeAll(async () => {
  app = await startTestApp();
});

afterAll(() => app.close());

test("the viewer's own mailbox comes first, then their teams by name, each with what they may do there", async () => {
  const erin = await employee(app, "erin");
  for (const [name, role] of [
    ["zebra", HolderRole.READER],
    ["appeals", HolderRole.WRITER],
  ] as const)
    await createTeam(app, name, [erin], role);
  await createTeam(app, "others", []);
  const answer = await erin.client.send("{ viewer { mailboxes { address kind role displayName unreadCount } } }");
  expect(answer.data).toEqual({
    viewer: {
      mailboxes: [
        { address: "erin@insurer.example", kind: "PERSON", role: "OWNER", displayName: "Test erin", unreadCount: 0 },
        { address: "appeals@insurer.example", kind: "TEAM", role: "WRITER", displayName: "Team appeals", unreadCount: 0 },
        { address: "zebra@insurer.example", kind: "TEAM", role: "READER", displayName: "Team zebra", unreadCount: 0 },
      ],
    },
  });
});

test("a stranger's mailbox, a waiting one and the organisation's stream are like one that never was", async () => {
  const maria = await member(app, "maria");
  const mallory = await member(app, "mallory");
  const waiting = await openMailbox(app.ctx(), { address: "waiting@mail.example", kind: MailboxKind.PERSON, displayName: "Waiting" });
  const query = "query ($id: ID!) { mailbox(id: $id) { id unreadCount messages { edges { cursor } } drafts { edges { cursor } } } }";
  expect((await maria.client.send(query, { id: maria.mailboxId })).data).toMatchObject({ mailbox: { id: maria.mailboxId } });
  const never = await mallory.client.send(query, { id: encodeId("Mailbox", newId(START)) });
  expect(never).toMatchObject({ data: { mailbox: null }, errors: [{ extensions: { code: "NOT_FOUND" } }] });
  for (const id of [maria.mailboxId, encodeId("Mailbox", waiting), encodeId("Mailbox", ORGANISATION_STREAM), encodeId("Account", maria.accountId), "", "~"]) {
    expect(await mallory.client.send(query, { id })).toEqual(never);
  }
});

test("the holders of a team's mailbox share its messages, and what one has read the others see as read", async () => {
  const [ann, ben] = [await employee(app, "ann"), await employee(app, "ben")];
  const team = await createTeam(app, "claims", [ann, ben]);
  const writer = await member(app, "writer");
  sent(await sendMessage(writer, { to: [team.address], subject: "To all of you" }));
  const page = { mailboxId: team.mailboxId };
  expect(await folderOf(ben, page)).toMatchObject({ unreadCount: 1, messages: { edges: [{ node: { subject: "To all of you", isRead: false } }] } });
  await openMessage(ann, (await newestOf(ann, page)).id);
  expect(await folderOf(ben, page)).toMatchObject({ unreadCount: 0, messages: { edges: [{ node: { isRead: true } }] } });
});

test("a hold that ends shuts the mailbox to the millisecond", async () => {
  const [substitute, member1] = [await employee(app, "substitute"), await member(app, "member1")];
  const team = await createTeam(app, "holiday", [substitute]);
  sent(await sendMessage(member1, { to: [team.address] }));
  const page = { mailboxId: team.mailboxId };
  const { id } = await newestOf(substitute, page);
  const endsAt = after(START, MINUTE);
  await sql(app, "update mailbox_holders set ends_at = $1 where mailbox_id = $2", [endsAt, team.mailboxKey]);

  app.clock.moveTo(after(endsAt, -1));
  expect((await substitute.client.run(ViewerDocument, {})).viewer?.mailboxes).toHaveLength(2);
  expect(await messagesOf(substitute, page)).toHaveLength(1);
  app.clock.moveTo(endsAt);
  expect((await substitute.client.run(ViewerDocument, {})).viewer?.mailboxes.map(({ id }) => id)).toEqual([substitute.mailboxId]);
  expect(await substitute.client.refusals("query ($id: ID!) { mailbox(id: $id) { id } }", { id: team.mailboxId })).toEqual(["NOT_FOUND"]);
  expect(await substitute.client.refusals("query ($id: ID!) { message(id: $id) { id } }", { id })).toEqual(["NOT_FOUND"]);
  expect(await sendMessage(substitute, { mailboxId: team.mailboxId, to: [member1.address] })).toMatchObject({ code: "NOT_FOUND", field: "mailboxId" });
});

test("letting somebody in again changes what they may do", async () => {
  const trainee = await employee(app, "trainee");
  const team = await createTeam(app, "training", [trainee], HolderRole.READER);
  const letter = { mailboxId: team.mailboxId, to: ["somebody@mail.example"] };
  expect(await sendMessage(trainee, letter)).toMatchObject({ code: "MAILBOX_READ_ONLY" });
  await letIn(app.ctx(), { mailboxId: team.mailboxKey, accountId: trainee.accountId, role: HolderRole.WRITER });
  expect(sent(await sendMessage(trainee, letter)).from.address).toBe(team.address);
});
