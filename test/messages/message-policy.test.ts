import { randomUUID } from "node:crypto";
import { HolderRole } from "../../src/mailboxes/mailbox-holder.ts";
import { letIn } from "../../src/mailboxes/open-mailbox.ts";
import { mustHaveRecipients, mustReach, whyNotForward, whyNotReply } from "../../src/messages/message-policy.ts";
import { Refusal } from "../../src/problem.ts";
import { startTestApp, type TestApp } from "../support/app.ts";
import { messagesOf, newestOf, openMessage, sendMessage, sent } from "../support/mail.ts";
import { createTeam, employee, member, type SignedInPerson } from "../support/people.ts";

const { OWNER, WRITER, READER } = HolderRole;
const opened = new Date("2026-03-02T09:00:00Z");

test.each<[message: string, openedAt: Date | null, from: "other" | "own", role: HolderRole, why: string | null]>([
  ["opened", opened, "other", OWNER, null],
  ["opened", opened, "other", WRITER, null],
  ["opened", opened, "other", READER, "MAILBOX_READ_ONLY"],
  ["unopened", null, "other", OWNER, "MESSAGE_NOT_OPENED"],
  ["unopened", null, "other", WRITER, "MESSAGE_NOT_OPENED"],
  ["unopened", null, "other", READER, "MESSAGE_NOT_OPENED"],
  ["sent", opened, "own", OWNER, "OWN_MESSAGE"],
  ["sent", opened, "own", WRITER, "OWN_MESSAGE"],
  ["sent", opened, "own", READER, "OWN_MESSAGE"],
  ["sent to oneself, unopened", null, "own", OWNER, "OWN_MESSAGE"],
])("replying to what was %s (%p, %s) as %s: %s", (_message, openedAt, from, role, why) => {
  expect(whyNotReply({ openedAt, mailboxId: "own", fromMailboxId: from }, role)?.code ?? null).toBe(why);
});

test.each<[HolderRole, string | null]>([
  [OWNER, null],
  [WRITER, null],
  [READER, "MAILBOX_READ_ONLY"],
])("forwarding as %s: %s", (role, why) => {
  expect(whyNotForward(role)?.code ?? null).toBe(why);
});

describe("reaching", () => {
  const organisation = { name: "Example Health", domains: ["insurer.example", "plans.example"] };

  test.each<[addresses: string[], refusedToExternal: string[]]>([
    [[], []],
    [["ann@insurer.example"], []],
    [["ann@insurer.example", "ben@plans.example"], []],
    [["maria@mail.example"], ["maria@mail.example"]],
    [
      ["ann@insurer.example", "maria@mail.example", "carl@clinic.example"],
      ["maria@mail.example", "carl@clinic.example"],
    ],
    [["ann@claims.insurer.example"], ["ann@claims.insurer.example"]],
    [["ann@insurer.example.evil.example"], ["ann@insurer.example.evil.example"]],
    [["insurer.example@evil.example"], ["insurer.example@evil.example"]],
    [["ann@xinsurer.example"], ["ann@xinsurer.example"]],
    [["ann@xn--nsurer-ovf.example"], ["ann@xn--nsurer-ovf.example"]],
  ])("%j: external people are refused %j, employees nothing", (addresses, refused) => {
    const viewer = { accountId: "", sessionId: "", isAdministrator: false, isConfined: false };
    expect(refusalOf(() => mustReach({ ...viewer, isEmployee: true }, addresses, organisation, "to"))).toBeNull();
    expect(refusalOf(() => mustReach({ ...viewer, isEmployee: false }, addresses, organisation, "to"))).toEqual(
      refused.length === 0 ? null : expect.objectContaining({ code: "RECIPIENT_NOT_EMPLOYEE", field: "to", addresses: refused }),
    );
  });

  test.each<[count: number, code: string | null]>([
    [0, "INVALID_INPUT"],
    [1, null],
    [100, null],
    [101, "LIMIT_EXCEEDED"],
  ])("%d recipients of 100: %s", (count, code) => {
    expect(refusalOf(() => mustHaveRecipients(count, 100))?.code ?? null).toBe(code);
  });
});

describe("canReply and canForward say what the mutations then do", () => {
  let app: TestApp;
  let sender: SignedInPerson;
  let colleague: SignedInPerson;
  let writer: SignedInPerson;
  let reader: SignedInPerson;

  beforeAll(async () => {
    app = await startTestApp();
    [sender, colleague] = [await member(app, "sender"), await employee(app, "colleague")];
    [writer, reader] = [await employee(app, "writer"), await employee(app, "reader")];
  });

  afterAll(() => app.close());

  const messages = ["unopened", "opened", "sent"] as const;
  const cases = [OWNER, WRITER, READER].flatMap((role) =>
    messages.flatMap((message) => (["reply", "forward"] as const).map((verb) => ({ role, message, verb }))),
  );

  test.each(cases)("$verb to a message that was $message, as $role", async ({ role, message, verb }) => {
    const holder = role === READER ? reader : writer;
    const team = await createTeam(app, `${role}-${message}-${verb}`.toLowerCase(), [colleague]);
    const page = { mailboxId: team.mailboxId };
    if (message === "sent") sent(await sendMessage(colleague, { ...page, to: [sender.address] }));
    else sent(await sendMessage(sender, { to: [team.address] }));
    const { id } = await newestOf(colleague, { ...page, folder: message === "sent" ? "SENT" : "INBOX" });
    if (message === "opened") await openMessage(colleague, id);
    await letIn(app.ctx(), { mailboxId: team.mailboxKey, accountId: holder.accountId, role });

    const permission = await permissionOf(holder, id, verb);
    const problem = await problemOf(holder, id, verb);
    expect(permission).toEqual({ allowed: problem === null, reason: problem?.code ?? null, alternative: problem?.message ?? null });
  });

  test("both ways occur: what is allowed goes out, what is not leaves nothing", async () => {
    sent(await sendMessage(sender, { to: [writer.address] }));
    const { id } = await newestOf(writer);
    expect(await permissionOf(writer, id, "reply")).toMatchObject({ allowed: false, reason: "MESSAGE_NOT_OPENED" });
    expect(await problemOf(writer, id, "reply")).toMatchObject({ code: "MESSAGE_NOT_OPENED" });
    expect(await messagesOf(writer, { folder: "SENT" })).toEqual([]);
    await openMessage(writer, id);
    expect(await permissionOf(writer, id, "reply")).toEqual({ allowed: true, reason: null, alternative: null });
    expect(await problemOf(writer, id, "reply")).toBeNull();
    expect(await messagesOf(writer, { folder: "SENT" })).toHaveLength(1);
  });

  test("a query that opens the message already says that it can be answered", async () => {
    sent(await sendMessage(sender, { to: [reader.address] }));
    const { id } = await newestOf(reader);
    const { data } = await reader.client.send("query ($id: ID!) { message(id: $id) { canReply { allowed reason } body { text } } }", { id });
    expect(data).toMatchObject({ message: { canReply: { allowed: true, reason: null } } });
  });

  async function permissionOf({ client }: SignedInPerson, id: string, verb: "reply" | "forward") {
    const field = verb === "reply" ? "canReply" : "canForward";
    const { data } = await client.send<{ message: Record<string, { allowed: boolean; reason: string | null; alternative: string | null }> }>(
      `query ($id: ID!) { message(id: $id) { ${field} { allowed reason alternative } } }`,
      { id },
    );
    return data?.message[field];
  }

  async function problemOf({ client }: SignedInPerson, messageId: string, verb: "reply" | "forward"): Promise<{ code: string; message: string } | null> {
    const [mutation, type, more] =
      verb === "reply"
        ? (["replyToMessage", "ReplyToMessageInput", {}] as const)
        : (["forwardMessage", "ForwardMessageInput", { to: [sender.address] }] as const);
    const { data } = await client.send<Record<string, { code?: string; message?: string }>>(
      `mutation ($input: ${type}!) { ${mutation}(input: $input) { ... on Problem { code message } } }`,
      { input: { messageId, ...more, body: { text: "Words." }, idempotencyKey: randomUUID() } },
    );
    const result = data?.[mutation];
    if (result === undefined) throw new Error("The mutation answered nothing");
    const { code, message } = result;
    return code === undefined || message === undefined ? null : { code, message };
  }
});

function refusalOf(work: () => void) {
  try {
    work();
    return null;
  } catch (error) {
    if (error instanceof Refusal) return error.problem;
    throw error;
  }
}
