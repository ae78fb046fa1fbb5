/** What answers, and the link of a mail, have taught: values for later examples, by the names that templates use. */
export interface Learned {
  readonly uploadedAttachmentIds: readonly string[];
  readonly startCursor?: string | undefined;
  readonly sessionId?: string | undefined;
  readonly deviceId?: string | undefined;
  readonly exportId?: string | undefined;
  readonly holdId?: string | undefined;
  readonly accessTokenId?: string | undefined;
  readonly invitedAccountId?: string | undefined;
  readonly teamMailboxId?: string | undefined;
  readonly noticeToken?: string | undefined;
  readonly linkToken?: string | undefined;
  readonly enrolmentToken?: string | undefined;
  readonly resetToken?: string | undefined;
  readonly challengeId?: string | undefined;
}

/** Adds what an answer teaches. All of it is as the operation selected it, so that anything may be missing. */
export function learnFrom(before: Learned, data: unknown): Learned {
  const answer = (data ?? {}) as LearnableData;
  const uploaded = answer.uploadAttachment?.attachment?.id;
  const sent = answer.sendMessage ?? answer.replyToMessage;
  const news = {
    exportId: answer.exportMessages?.export?.id,
    holdId: answer.placeHold?.hold?.id,
    accessTokenId: answer.createAccessToken?.accessToken?.id,
    invitedAccountId: answer.inviteEmployee?.account?.id,
    teamMailboxId: answer.createTeam?.team?.mailboxId,
    enrolmentToken: answer.validateAddress?.enrolmentToken,
    resetToken: answer.requestPasswordReset?.resetToken,
    challengeId: (answer.beginPasskeyRegistration ?? answer.beginPasskeySignIn)?.challengeId,
    uploadedAttachmentIds: sent && !sent.code ? [] : uploaded && [...before.uploadedAttachmentIds, uploaded], // Once sent, they are on that message
  };
  return {
    ...before,
    ...(answer.sessions && { sessionId: answer.sessions.find(({ isCurrent }) => isCurrent === false)?.id }),
    ...(answer.devices && { deviceId: answer.devices.find(({ isCurrent }) => isCurrent === false)?.id }),
    ...Object.fromEntries(Object.entries(news).filter(([, value]) => value !== undefined && value !== "")),
  };
}

type One<Name extends string, Id extends string = "id"> = { readonly [name in Name]?: { readonly [id in Id]?: string } } | null;
type Several = readonly { readonly id?: string; readonly isCurrent?: boolean }[] | null;

interface LearnableData {
  readonly uploadAttachment?: One<"attachment">;
  readonly sessions?: Several;
  readonly devices?: Several;
  readonly sendMessage?: { readonly code?: string } | null;
  readonly replyToMessage?: { readonly code?: string } | null;
  readonly exportMessages?: One<"export">;
  readonly placeHold?: One<"hold">;
  readonly createAccessToken?: One<"accessToken">;
  readonly inviteEmployee?: One<"account">;
  readonly createTeam?: One<"team", "mailboxId">;
  readonly validateAddress?: { readonly enrolmentToken?: string } | null;
  readonly requestPasswordReset?: { readonly resetToken?: string } | null;
  readonly beginPasskeyRegistration?: { readonly challengeId?: string } | null;
  readonly beginPasskeySignIn?: { readonly challengeId?: string } | null;
}
