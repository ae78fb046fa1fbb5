import { defaultFieldResolver, type GraphQLField, type GraphQLSchema } from "graphql";
import type { Ctx, Viewer } from "../context.ts";
import { orProblem } from "../graphql/mutation-result.ts";
import { TokenScope } from "../graphql/token-scope.ts";
import { ProblemCode, refuse } from "../problem.ts";

/**
 * The mutations that an access token with the scope WRITE may run. All others are for sessions only, and so is every new
 * one until somebody puts it here: nothing of passwords, factors, addresses, sessions or access tokens.
 */
export const openToTokens: ReadonlySet<string> = new Set([
  "uploadAttachment",
  "saveDraft",
  "discardDraft",
  "sendMessage",
  "replyToMessage",
  "forwardMessage",
  "markRead",
  "markUnread",
  "flag",
  "unflag",
  "moveToFolder",
  "deleteMessages",
  "exportMessages",
  "placeHold",
  "liftHold",
  "advanceClock",
  "inviteEmployee",
  "resendInvitation",
  "revokeInvitation",
  "disableAccount",
  "enableAccount",
  "changeAccountKind",
  "createTeam",
  "addTeamMember",
  "removeTeamMember",
  "importEmployees",
]);

/** Refuses an access token that was not made for this. A session may do all that its account may. */
export function mustBeInScope(viewer: Viewer | null, scope: TokenScope): void {
  if (viewer?.scopes?.has(scope) === false) refuse(ProblemCode.FORBIDDEN, `This access token lacks the scope ${scope}.`);
}

/** Puts the check of scopes before every root field of a schema, whatever a request comes over. ADMIN is asked where administrators are. */
export function guardByScope(schema: GraphQLSchema): void {
  for (const field of fieldsOf(schema.getQueryType())) {
    const resolve = field.resolve ?? defaultFieldResolver;
    field.resolve = (source, args, ctx, info): unknown => {
      mustBeInScope(ctx.viewer, TokenScope.READ);
      return resolve(source, args, ctx, info);
    };
  }
  for (const field of fieldsOf(schema.getSubscriptionType())) {
    const { subscribe } = field;
    if (subscribe === undefined) throw new Error(`${field.name} has no source`);
    field.subscribe = (source, args, ctx, info): unknown => {
      mustBeInScope(ctx.viewer, TokenScope.READ);
      return subscribe(source, args, ctx, info);
    };
  }
  for (const field of fieldsOf(schema.getMutationType())) {
    const resolve = field.resolve ?? defaultFieldResolver;
    field.resolve = (source, args, ctx, info): unknown => {
      if (ctx.viewer?.scopes === undefined) return resolve(source, args, ctx, info);
      return orProblem(ctx, async (): Promise<unknown> => {
        mustBeInScope(ctx.viewer, TokenScope.WRITE);
        if (!openToTokens.has(field.name)) refuse(ProblemCode.FORBIDDEN, "This cannot be done with an access token. Sign in for it.");
        return resolve(source, args, ctx, info);
      });
    };
  }
}

function fieldsOf(root: { getFields(): Record<string, GraphQLField<unknown, Ctx>> } | null | undefined): GraphQLField<unknown, Ctx>[] {
  return Object.values(root?.getFields() ?? {});
}
