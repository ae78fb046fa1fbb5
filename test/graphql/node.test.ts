import { print } from "graphql";
import {
  CreateAccessTokenDocument,
  DevicesDocument,
  NodeDocument,
  NodesDocument,
  SessionsDocument,
  SaveDraftDocument,
} from "../../operations/generated/operations.ts";
import { decodeAnyId, encodeId, type NodeKind } from "../../src/graphql/node-id.ts";
import { newId } from "../../src/ids.ts";
import { START, startTestApp, type TestApp } from "../support/app.ts";
import { addPasskey } from "../support/factors.ts";
import { requestExport } from "../support/exports.ts";
import { deliver, messagesOf, newestOf, openMessage, sendMessage, sent } from "../support/mail.ts";
import { placeHold } from "../support/holds.ts";
import { employee, type SignedInPerson } from "../support/people.ts";

let app: TestApp;
let erin: SignedInPerson;
let maria: SignedInPerson;
/** One of everything that is Maria's. */
let ids: Record<NodeKind, string>;

beforeAll(async () => {
  app = await startTestApp();
  [erin, maria] = [await employee(app, "erin"), await employee(app, "maria")];
  const { id, thread } = await deliver(erin, maria);
  const { saveDraft } = await maria.client.run(SaveDraftDocument, { input: { mailboxId: maria.mailboxId, subject: "Draft" } });
  const { createAccessToken } = await maria.client.run(CreateAccessTokenDocument, { input: { name: "Script", scopes: ["READ"], expiresInDays: 1 } });
  const [session] = (await maria.client.run(SessionsDocument, {})).sessions;
  const [device] = (await maria.client.run(DevicesDocument, {})).devices;
  ids = {
    Account: encodeId("Account", maria.accountId),
    Session: session?.id ?? "",
    Mailbox: maria.mailboxId,
    Message: id,
    Thread: thread.id,
    Draft: "draft" in saveDraft ? saveDraft.draft.id : "",
    Attachment: await maria.client.uploaded("a.txt", "a"),
    Export: (await requestExport(maria, { messageIds: [id] })).id,
    Device: device?.id ?? "",
    Hold: await placeHold(maria, sent(await sendMessage(maria, { to: [maria.address] })).id),
    Passkey: (await addPasskey(maria.client)).passkeyId,
    AccessToken: "accessToken" in createAccessToken ? createAccessToken.accessToken.id : "",
  };
});

afterAll(() => app.close());

const kinds: NodeKind[] = ["Account", "Session", "Mailbox", "Message", "Thread", "Draft", "Attachment", "Export", "Hold", "Device", "Passkey", "AccessToken"];

test.each(kinds)("a %s is found again by its id, by its owner only", async (kind) => {
  const id = ids[kind];
  expect(await maria.client.run(NodeDocument, { id })).toEqual({ node: { __typename: kind, id } });
  const never = await erin.client.send(print(NodeDocument), { id: encodeId(kind, ...(decodeAnyId(id)?.uuids.map(() => newId(START)) ?? [])) });
  expect(never).toMatchObject({ data: { node: null }, errors: [{ extensions: { code: "NOT_FOUND" } }] });
  expect(await erin.client.send(print(NodeDocument), { id })).toEqual(never);
});

test("nodes come in the order of their ids, null with an error for each that is not the viewer's", async () => {
  const { id: foreign } = await newestOf(erin, { folder: "SENT" });
  const wanted = [ids.Draft, foreign, ids.Message, "nonsense", ids.Draft, ids.Account];
  const { data, errors } = await maria.client.send<{ nodes: unknown[] }>(print(NodesDocument), { ids: wanted });
  expect(data?.nodes).toEqual([
    { __typename: "Draft", id: ids.Draft },
    null,
    { __typename: "Message", id: ids.Message },
    null,
    { __typename: "Draft", id: ids.Draft },
    { __typename: "Account", id: ids.Account },
  ]);
  expect(errors?.map(({ path, extensions }) => `${path?.join(".")} ${String(extensions?.code)}`).sort()).toEqual(["nodes.1 NOT_FOUND", "nodes.3 NOT_FOUND"]);
});

test("a hundred nodes are fetched at once, and not one more", async () => {
  const { nodes } = await maria.client.run(NodesDocument, { ids: Array.from({ length: 100 }, () => ids.Message) });
  expect(nodes).toHaveLength(100);
  expect(await maria.client.refusals(print(NodesDocument), { ids: Array.from({ length: 101 }, () => ids.Message) })).toEqual(["LIMIT_EXCEEDED"]);
  expect(await maria.client.run(NodesDocument, { ids: [] })).toEqual({ nodes: [] });
});

test("one message has one id wherever it is met in a mailbox, and another in every other", async () => {
  const own = sent(await sendMessage(erin, { to: [maria.address], subject: "Same" }));
  const rows = await messagesOf(maria);
  const row = rows.find(({ subject }) => subject === "Same");
  const opened = await openMessage(maria, row?.id ?? "");
  expect(opened.thread.messages.edges.map(({ node }) => node.id)).toEqual([row?.id]);
  expect(own.id).not.toBe(row?.id);
  expect(own.thread.id).not.toBe(row?.thread.id);
  const uuids = [...(decodeAnyId(own.id)?.uuids ?? []), ...(decodeAnyId(row?.id ?? "")?.uuids ?? [])];
  expect(new Set(uuids).size).toBe(4); // Neither mailbox nor copy is shared
});

test.each(kinds)("the id of a %s is opaque, keeps its kind and reads as itself", (kind) => {
  const id = ids[kind];
  expect(id).toMatch(/^[\w-]{23,44}$/);
  const decoded = decodeAnyId(id);
  expect(decoded?.kind).toBe(kind);
  expect(encodeId(kind, ...(decoded?.uuids ?? []))).toBe(id);
  for (const other of kinds) expect(encodeId(other, ...(decoded?.uuids ?? [])) === id).toBe(other === kind);
});

test("ids that we never made are nobody's, however close they come", async () => {
  const { Account: account, Message: message } = ids;
  const bytes = Buffer.from(account, "base64url");
  const forged: string[] = [
    "",
    " ",
    "0",
    `${account}=`,
    `${account}==`,
    ` ${account}`,
    `${account}A`,
    account.slice(0, -1),
    account.slice(0, -1) + String.fromCharCode(account.charCodeAt(account.length - 1) + 1), // Other spare bits, same bytes
    message.slice(0, 23),
    message + message,
    Buffer.concat([Buffer.of(0), bytes.subarray(1)]).toString("base64url"),
    Buffer.concat([Buffer.of(99), bytes.subarray(1)]).toString("base64url"),
    Buffer.concat([bytes, bytes.subarray(1)]).toString("base64url"),
    bytes.toString("hex"),
    maria.accountId,
    `Account:${maria.accountId}`,
    "A".repeat(100_000),
    `${account}\0`,
    "👋",
  ];
  expect(await maria.client.refusals(print(NodeDocument), { id: account })).toEqual([]);
  for (const id of forged) {
    expect(decodeAnyId(id)).toBeNull();
    expect({ id: id.slice(0, 50), codes: await maria.client.refusals(print(NodeDocument), { id }) }).toEqual({ id: id.slice(0, 50), codes: ["NOT_FOUND"] });
  }
});

test("an id of one kind is no id of another, in every field that takes one", async () => {
  const fields: [field: string, kind: NodeKind][] = [
    ["mailbox", "Mailbox"],
    ["message", "Message"],
    ["thread", "Thread"],
    ["draft", "Draft"],
  ];
  for (const [field, kind] of fields) {
    for (const other of kinds) {
      const codes = await maria.client.refusals(`query ($id: ID!) { ${field}(id: $id) { id } }`, { id: ids[other] });
      expect({ field, other, codes }).toEqual({ field, other, codes: other === kind ? [] : ["NOT_FOUND"] });
    }
  }
});
