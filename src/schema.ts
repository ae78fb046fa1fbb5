import "reflect-metadata";
import type { GraphQLSchema } from "graphql";
import { GraphQLDateTime } from "graphql-scalars";
import { buildSchemaSync, type PubSub } from "type-graphql";
import { PasswordResolver } from "./accounts/password-resolver.ts";
import { AccessTokenResolver } from "./accounts/access-token-resolver.ts";
import { SessionResolver } from "./accounts/session-resolver.ts";
import { AttachmentResolver } from "./attachments/attachment-resolver.ts";
import { AuditResolver } from "./audit/audit-resolver.ts";
import { AccountResolver } from "./enrolment/account-resolver.ts";
import { EnrolmentResolver } from "./enrolment/enrolment-resolver.ts";
import { FactorResolver } from "./factors/factor-resolver.ts";
import { PasskeyResolver } from "./factors/passkey-resolver.ts";
import { SignInResolver } from "./factors/sign-in-resolver.ts";
import { LimitsResolver } from "./graphql/limits-resolver.ts";
import { MailboxResolver, ViewerResolver } from "./mailboxes/mailbox-resolver.ts";
import { DraftResolver } from "./messages/draft-resolver.ts";
import { LiveResolver } from "./messages/live-resolver.ts";
import { AttachmentChanged, MessageChanged, MessageExpiring, MessageReceived, MessageRemoved, RefetchRequired } from "./messages/mailbox-event.ts";
import { MailboxMessagesResolver, ThreadResolver } from "./messages/mailbox-messages-resolver.ts";
import { MessageResolver, RecipientResolver } from "./messages/message-resolver.ts";
import { SortResolver } from "./messages/sort-resolver.ts";
import { WriteResolver } from "./messages/write-resolver.ts";
import { ExportResolver } from "./exports/export-resolver.ts";
import { NoticedMessageResolver, NotificationResolver, NotifiedAccountResolver } from "./notifications/notification-resolver.ts";
import { ImportResolver } from "./people/import-resolver.ts";
import { InvitationResolver } from "./people/invitation-resolver.ts";
import { PeopleResolver } from "./people/people-resolver.ts";
import { TeamMemberResolver, TeamResolver } from "./people/team-resolver.ts";
import { NodeResolver } from "./node-resolver.ts";
import { HeldMessageResolver, HoldResolver } from "./retention/hold-resolver.ts";
import { TombstoneResolver } from "./retention/tombstone-resolver.ts";
import { ClockResolver } from "./sandbox/clock-resolver.ts";
import { SignInMethodsResolver, SignOutRedirectResolver } from "./single-sign-on/single-sign-on-resolver.ts";
import { SearchConnectionResolver, SearchResolver } from "./search/search-resolver.ts";
import { guardByScope } from "./server/token-scopes.ts";

/** type-graphql asks for one although each of our subscriptions brings its own source. */
const noPubSub: PubSub = {
  publish: () => undefined,
  subscribe: () => {
    throw new Error("Subscriptions read the ledger");
  },
};

/** What the root types are; type-graphql has no place to say it. */
const roots = {
  Query: "What can be read. Whatever is not the viewer's is NOT_FOUND.",
  Mutation: "What can be done, one field a request. Each returns its payload or a Problem.",
  Subscription: "What can be followed live, over the WebSocket.",
};

/** The whole schema, from an explicit list of resolvers. */
export function createSchema(): GraphQLSchema {
  const schema = buildSchemaSync({
    resolvers: [
      NodeResolver,
      ViewerResolver,
      SignInResolver,
      SessionResolver,
      PasswordResolver,
      EnrolmentResolver,
      AccountResolver,
      SignInMethodsResolver,
      SignOutRedirectResolver,
      FactorResolver,
      PasskeyResolver,
      AccessTokenResolver,
      LimitsResolver,
      MailboxResolver,
      PeopleResolver,
      InvitationResolver,
      TeamResolver,
      TeamMemberResolver,
      ImportResolver,
      MailboxMessagesResolver,
      ThreadResolver,
      MessageResolver,
      RecipientResolver,
      DraftResolver,
      WriteResolver,
      SortResolver,
      AttachmentResolver,
      LiveResolver,
      HoldResolver,
      HeldMessageResolver,
      TombstoneResolver,
      NotificationResolver,
      NoticedMessageResolver,
      NotifiedAccountResolver,
      ExportResolver,
      AuditResolver,
      ClockResolver,
      SearchResolver,
      SearchConnectionResolver,
    ],
    orphanedTypes: [MessageReceived, MessageChanged, MessageExpiring, MessageRemoved, AttachmentChanged, RefetchRequired],
    scalarsMap: [{ type: Date, scalar: GraphQLDateTime }],
    pubSub: noPubSub,
    validate: false,
  });
  for (const [name, description] of Object.entries(roots)) Object.assign(schema.getType(name) ?? {}, { description });
  guardByScope(schema);
  return schema;
}
