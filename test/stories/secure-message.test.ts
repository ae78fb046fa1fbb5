import { randomUUID } from "node:crypto";
import { InboxDocument, MailboxChangedDocument, OpenMessageDocument, ReplyDocument, SendMessageDocument } from "../../operations/generated/operations.ts";
import { startTestApp, type TestApp } from "../support/app.ts";
import { employee, member, type SignedInPerson } from "../support/people.ts";

let app: TestApp;
let erin: SignedInPerson;
let maria: SignedInPerson;

beforeAll(async () => {
  app = await startTestApp();
  erin = await employee(app, "erin");
  maria = await member(app, "maria");
});

afterAll(() => app.close());

test("an employee writes, the member sees it arrive live, opens it and replies", async () => {
  const inbox = await maria.client.run(InboxDocument, { mailboxId: maria.mailboxId, first: 10, after: null, filter: null });
  expect(inbox.mailbox?.messages.edges).toEqual([]);
  const live = maria.client.subscribe(MailboxChangedDocument, { mailboxId: maria.mailboxId, after: inbox.mailbox?.cursor ?? null });
  try {
    const { sendMessage } = await erin.client.run(SendMessageDocument, {
      input: {
        mailboxId: erin.mailboxId,
        to: [maria.address],
        cc: null,
        subject: "Your appeal",
        body: { text: "Granted.", html: null },
        priority: "HIGH",
        attachmentIds: null,
        draftId: null,
        idempotencyKey: randomUUID(),
      },
    });
    expect(sendMessage).toMatchObject({ message: { folder: "SENT", isRead: true } });

    const event = await live.next();
    expect(event?.mailboxChanged).toMatchObject({
      unreadCount: 1,
      message: { subject: "Your appeal", priority: "HIGH", isRead: false, from: { address: erin.address } },
    });
    const id = event && "message" in event.mailboxChanged ? event.mailboxChanged.message.id : "";

    const opened = await maria.client.run(OpenMessageDocument, { id });
    expect(opened.message).toMatchObject({ isRead: true, openedAt: app.clock.now().toISOString(), body: { text: "Granted." }, canReply: { allowed: true } });

    const { replyToMessage } = await maria.client.run(ReplyDocument, {
      input: { messageId: id, body: { text: "Thank you.", html: null }, priority: null, attachmentIds: null, draftId: null, idempotencyKey: randomUUID() },
    });
    expect(replyToMessage).toMatchObject({ message: { subject: "Re: Your appeal", thread: { id: opened.message?.thread.id } } });

    const answer = await erin.client.run(InboxDocument, { mailboxId: erin.mailboxId, first: 10, after: null, filter: null });
    expect(answer.mailbox?.messages.edges.map(({ node }) => node.subject)).toEqual(["Re: Your appeal"]);
  } finally {
    await live.close();
  }
});
