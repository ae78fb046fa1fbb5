import { Arg, Ctx as Context, Field, ID, InputType, Mutation, ObjectType, Resolver } from "type-graphql";
import { Account, AccountKind } from "../accounts/account.ts";
import { asConfirmedAdministrator, type Ctx } from "../context.ts";
import { orProblem, resultOf } from "../graphql/mutation-result.ts";
import { decodeId } from "../graphql/node-id.ts";
import { Language } from "../mailer/language.ts";
import { type AcceptInvitation, acceptInvitation } from "./accept-invitation.ts";
import { type InviteEmployee, inviteEmployee } from "./invite-employee.ts";
import { resendInvitation } from "./resend-invitation.ts";
import { revokeInvitation } from "./revoke-invitation.ts";

@InputType({ description: "Whom to invite." })
class InviteEmployeeInput implements InviteEmployee {
  @Field(() => String, { description: "Their e-mail address, at one of the organisation's own domains. The invitation goes there." })
  address!: string;

  @Field(() => String, { description: "The name others will see: one line of at most 100 characters." })
  displayName!: string;

  @Field(() => AccountKind, { nullable: true, description: "EMPLOYEE, which it is if left out, or ADMINISTRATOR." })
  kind?: AccountKind | null;

  @Field(() => Language, { nullable: true, description: "The language they are written to in; English if left out." })
  language?: Language | null;
}

@ObjectType({ description: "The account is made, and the invitation is on its way." })
class InviteEmployeePayload {
  @Field(() => Account, { description: "The account, which nobody can sign in to yet. Its user ID stands for the one they will choose." })
  account!: Account;
}

@InputType({ description: "What somebody invited chooses." })
class AcceptInvitationInput implements AcceptInvitation {
  @Field(() => String, { description: "What stands behind `#token=` in the link." })
  token!: string;

  @Field(() => String, {
    nullable: true,
    description: "The user ID to sign in with: 3 to 64 letters, digits and `._@+-`. Leave it out where the account has one, as a reset administrator's.",
  })
  userId?: string | null;

  @Field(() => String, { description: "The password to sign in with." })
  password!: string;

  @Field(() => String, { nullable: true, description: "Words by which they know our mail, at most 100 characters; kept sealed." })
  personalPhrase?: string | null;

  @Field(() => Language, { nullable: true, description: "The language to be written to in; left out, the invitation's." })
  language?: Language | null;
}

@ObjectType({ description: "The account is theirs. Sign in next." })
class AcceptInvitationPayload {
  @Field(() => String, { description: "The user ID to sign in with, as it is kept." })
  userId!: string;
}

@InputType({ description: "Whom to invite again." })
class ResendInvitationInput {
  @Field(() => ID, { description: "An account that is INVITED." })
  accountId!: string;
}

@ObjectType({ description: "A fresh link is on its way; the old one is dead." })
class ResendInvitationPayload {
  @Field(() => Account, { description: "The account." })
  account!: Account;
}

@InputType({ description: "Whose invitation to take back." })
class RevokeInvitationInput {
  @Field(() => ID, { description: "An account that is INVITED." })
  accountId!: string;
}

@ObjectType({ description: "The link is dead. An account that nobody had been in is gone." })
class RevokeInvitationPayload {
  @Field(() => Date, { description: "When." })
  revokedAt!: Date;
}

const InviteEmployeeResult = resultOf("InviteEmployee", InviteEmployeePayload);
const AcceptInvitationResult = resultOf("AcceptInvitation", AcceptInvitationPayload);
const ResendInvitationResult = resultOf("ResendInvitation", ResendInvitationPayload);
const RevokeInvitationResult = resultOf("RevokeInvitation", RevokeInvitationPayload);

@Resolver()
export class InvitationResolver {
  @Mutation(() => InviteEmployeeResult, {
    description: "Makes an account for a colleague and sends them a link, good once and for 7 days, to choose user ID and password. For administrators.",
  })
  async inviteEmployee(@Context() ctx: Ctx, @Arg("input", () => InviteEmployeeInput, { description: "Whom." }) input: InviteEmployeeInput) {
    return orProblem(ctx, async () =>
      Object.assign(new InviteEmployeePayload(), { account: await inviteEmployee(await asConfirmedAdministrator(ctx), input) }),
    );
  }

  @Mutation(() => AcceptInvitationResult, {
    description: "Takes an invitation up, without being signed in. Used, old, revoked and made-up tokens all get INVALID_CODE. Starts no session.",
  })
  async acceptInvitation(@Context() ctx: Ctx, @Arg("input", () => AcceptInvitationInput, { description: "What they choose." }) input: AcceptInvitationInput) {
    return orProblem(ctx, async () => Object.assign(new AcceptInvitationPayload(), { userId: await acceptInvitation(ctx, input) }));
  }

  @Mutation(() => ResendInvitationResult, { description: "Sends a fresh invitation to somebody who has not accepted theirs. For administrators." })
  async resendInvitation(@Context() ctx: Ctx, @Arg("input", () => ResendInvitationInput, { description: "Whom." }) input: ResendInvitationInput) {
    return orProblem(ctx, async () => {
      const account = await resendInvitation(await asConfirmedAdministrator(ctx), decodeId("Account", input.accountId, "accountId"));
      return Object.assign(new ResendInvitationPayload(), { account });
    });
  }

  @Mutation(() => RevokeInvitationResult, { description: "Takes an invitation back that was not accepted. For administrators." })
  async revokeInvitation(@Context() ctx: Ctx, @Arg("input", () => RevokeInvitationInput, { description: "Whose." }) input: RevokeInvitationInput) {
    return orProblem(ctx, async () => {
      const revokedAt = await revokeInvitation(await asConfirmedAdministrator(ctx), decodeId("Account", input.accountId, "accountId"));
      return Object.assign(new RevokeInvitationPayload(), { revokedAt });
    });
  }
}
