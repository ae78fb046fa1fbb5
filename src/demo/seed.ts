import { Readable } from "node:stream";
import { In } from "typeorm";
import { Account, rolesOf } from "../accounts/account.ts";
import { createAccount } from "../accounts/create-account.ts";
import { hashPassword, verifyPassword } from "../accounts/password.ts";
import { uploadAttachment } from "../attachments/upload-attachment.ts";
import { before, type Clock, HOUR } from "../clock.ts";
import { createCtx, type Ctx, inTransaction, type Services, signedIn, type ViewerCtx } from "../context.ts";
import { MailboxKind } from "../mailboxes/mailbox.ts";
import { HolderRole } from "../mailboxes/mailbox-holder.ts";
import { letIn, openMailbox } from "../mailboxes/open-mailbox.ts";
import type { Copy } from "../messages/copy.ts";
import { copyOfMessage } from "../messages/copy-queries.ts";
import { Priority } from "../messages/message.ts";
import { markOpened } from "../messages/open-message.ts";
import { DeliveryStatus, Recipient } from "../messages/recipient.ts";
import { replyToMessage } from "../messages/reply-to-message.ts";
import { saveDraft } from "../messages/save-draft.ts";
import { sendMessage } from "../messages/send-message.ts";
import { record } from "../ledger/record.ts";
import { type DemoFile, drafts, people, type Scene, stories, team, type UserId } from "./world.ts";
import { simplePdf } from "./simple-pdf.ts";

/** What the stories need to know of a person. */
interface Person {
  readonly account: Account;
  readonly mailboxId: string;
}

/** Fills an empty database with a small believable world, once and whole: a crash leaves none of it. Later it only keeps the password. */
export async function seedDemo(services: Services, password: string): Promise<void> {
  await inTransaction(createCtx(services), async (ctx) => {
    if ((await ctx.db.manager.count(Account)) > 0) return keepPassword(ctx, password);
    const cast = new Map<UserId, Person>();
    for (const { userId, kind, displayName, address } of people) {
      const account = await createAccount(ctx, { userId, password, kind, displayName, address });
      const mailboxId = await openMailbox(ctx, { address, kind: MailboxKind.PERSON, displayName });
      await letIn(ctx, { mailboxId, accountId: account.uuid });
      cast.set(userId, { account, mailboxId });
    }
    const teamMailboxId = await openMailbox(ctx, { address: team.address, kind: MailboxKind.TEAM, displayName: team.displayName });
    for (const member of team.members) await letIn(ctx, { mailboxId: teamMailboxId, accountId: personOf(cast, member).account.uuid, role: HolderRole.WRITER });
    const scenes = stories.flatMap((story, n) => story.map((scene, place) => ({ scene, story: n, place }))).sort((a, b) => b.scene.ago - a.scene.ago);
    const last = new Map<number, Copy>();
    for (const { scene, story, place } of scenes) {
      last.set(story, await play(asPerson(ctx, personOf(cast, scene.by), scene.ago), scene, `demo-${story}-${place}`, cast, teamMailboxId, last.get(story)));
    }
    for (const { by, to, subject, text } of drafts) {
      const person = personOf(cast, by);
      const draft = {
        draftId: null,
        mailboxId: person.mailboxId,
        to: [to],
        cc: [],
        subject,
        body: { text },
        priority: null,
        attachmentIds: [],
        replyTo: null,
        forwardOf: null,
      };
      await saveDraft(asPerson(ctx, person, HOUR), draft);
    }
    // The people of the stories were told of them in their own time. Whoever has no account yet is told now: their enrolment is to be tried.
    const address = In(people.map(({ address }) => address));
    await ctx.db.manager.update(Recipient, { address, status: DeliveryStatus.SENT }, { status: DeliveryStatus.NOTIFIED });
    await ctx.db.manager.update(Recipient, { address }, { noticeAt: null });
  });
}

/** Gives the demo's people the password that the settings name today. */
async function keepPassword(ctx: Ctx, password: string): Promise<void> {
  const accounts = await ctx.db.manager.findBy(Account, { userId: In(people.map(({ userId }) => userId)) });
  if (accounts[0] === undefined || (await verifyPassword(accounts[0].passwordHash, password))) return;
  for (const { uuid } of accounts) await ctx.db.manager.update(Account, { uuid }, { passwordHash: await hashPassword(password) });
}

/** The same transaction as somebody else, at another time. */
function asPerson(ctx: Ctx, { account }: Person, ago: number): ViewerCtx {
  const at = before(ctx.clock.now(), ago);
  const clock: Clock = { now: () => at };
  return signedIn({ ...ctx, clock, viewer: { accountId: account.uuid, sessionId: "", ...rolesOf(account.kind), isConfined: false } });
}

async function play(
  ctx: ViewerCtx,
  scene: Scene,
  idempotencyKey: string,
  cast: ReadonlyMap<UserId, Person>,
  teamMailboxId: string,
  previous: Copy | undefined,
): Promise<Copy> {
  const mailboxId = scene.asTeam ? teamMailboxId : personOf(cast, scene.by).mailboxId;
  const attachmentIds: string[] = [];
  for (const file of scene.files ?? []) attachmentIds.push(await upload(ctx, file));
  const common = { body: { text: scene.text }, priority: scene.priority ?? Priority.NORMAL, attachmentIds, draftId: null, idempotencyKey };
  if (scene.to) {
    const to = scene.to.map((name) => (name === "team" ? team.address : (people.find(({ userId }) => userId === name)?.address ?? name)));
    return sendMessage(ctx, { ...common, mailboxId, to, cc: [], subject: scene.subject ?? "" });
  }
  const received = previous && (await copyOfMessage.load(ctx, { mailboxId, uuid: previous.messageId }));
  if (received === undefined) throw new Error(`The demo's ${scene.by} answers a message that did not reach them`);
  await record(ctx, ...(await markOpened(ctx, [received])));
  return replyToMessage(ctx, { ...common, messageId: { mailboxId, uuid: received.uuid } });
}

async function upload(ctx: ViewerCtx, { fileName, text }: DemoFile): Promise<string> {
  const bytes = Readable.from([fileName.endsWith(".pdf") ? simplePdf(text) : Buffer.from(text)]);
  return (await uploadAttachment(ctx, { fileName, bytes, isCut: () => false })).uuid;
}

function personOf(cast: ReadonlyMap<UserId, Person>, userId: UserId): Person {
  const person = cast.get(userId);
  if (person === undefined) throw new Error(`The demo has no ${userId}`);
  return person;
}
