import { Arg, Ctx as Context, Field, FieldResolver, InputType, Mutation, ObjectType, Resolver, Root } from "type-graphql";
import { type Ctx, signedIn } from "../context.ts";
import { orProblem, resultOf } from "../graphql/mutation-result.ts";
import { Account } from "./account.ts";
import { changePassword } from "./change-password.ts";
import { requestPasswordReset } from "./request-password-reset.ts";
import { resetPassword } from "./reset-password.ts";

@InputType({ description: "The password that is, and the one that shall be." })
class ChangePasswordInput {
  @Field(() => String, { description: "The password of today." })
  currentPassword!: string;

  @Field(() => String, {
    description: "15 characters or more (8 where a second factor is asked for), at most 1,024 bytes, not easily guessed; WEAK_PASSWORD says what to do.",
  })
  newPassword!: string;
}

@ObjectType({ description: "The new password holds. Every other session has ended, and the account's address was told." })
class ChangePasswordPayload {
  @Field(() => Date, { description: "When it was changed." })
  changedAt!: Date;
}

@InputType({ description: "Whose password is forgotten." })
class RequestPasswordResetInput {
  @Field(() => String, { description: "The user ID, or the account's own address." })
  userIdOrAddress!: string;
}

@ObjectType({ description: "If there is such an account, its address gets a mail with a code and a link. The answer is the same if there is none." })
class RequestPasswordResetPayload {
  @Field(() => String, { description: "Send it to `resetPassword` with the code. It opens nothing by itself." })
  resetToken!: string;

  @Field(() => Date, { description: "Until when code and link are good." })
  expiresAt!: Date;
}

@InputType({ description: "The code with its `resetToken`, or the `token` of the link; and the new password." })
class ResetPasswordInput {
  @Field(() => String, { nullable: true, description: "What `requestPasswordReset` answered; goes with `code`." })
  resetToken!: string | null;

  @Field(() => String, { nullable: true, description: "The eight digits of the mail. Five wrong ones void code and link." })
  code!: string | null;

  @Field(() => String, { nullable: true, description: "What stands behind `#token=` in the mail's link." })
  token!: string | null;

  @Field(() => String, { description: "As for `changePassword`." })
  newPassword!: string;
}

@ObjectType({ description: "The new password holds. Every session has ended; sign in, with the second factor where there is one." })
class ResetPasswordPayload {
  @Field(() => Date, { description: "When it was set." })
  resetAt!: Date;
}

const ChangePasswordResult = resultOf("ChangePassword", ChangePasswordPayload);
const RequestPasswordResetResult = resultOf("RequestPasswordReset", RequestPasswordResetPayload);
const ResetPasswordResult = resultOf("ResetPassword", ResetPasswordPayload);

@Resolver(() => Account)
export class PasswordResolver {
  @Mutation(() => ChangePasswordResult, { description: "Changes the viewer's password. A wrong one is INVALID_CREDENTIALS, a weak new one WEAK_PASSWORD." })
  async changePassword(@Context() ctx: Ctx, @Arg("input", () => ChangePasswordInput, { description: "Both passwords." }) input: ChangePasswordInput) {
    return orProblem(ctx, async () => Object.assign(new ChangePasswordPayload(), { changedAt: await changePassword(signedIn(ctx), input) }));
  }

  @Mutation(() => RequestPasswordResetResult, {
    description: "Asks for a mail with which a forgotten password can be replaced. Known and unknown accounts get one answer in one time.",
  })
  async requestPasswordReset(
    @Context() ctx: Ctx,
    @Arg("input", () => RequestPasswordResetInput, { description: "Whose password." }) input: RequestPasswordResetInput,
  ) {
    return orProblem(ctx, async () => Object.assign(new RequestPasswordResetPayload(), await requestPasswordReset(ctx, input)));
  }

  @Mutation(() => ResetPasswordResult, {
    description: "Sets a new password by code or link, once. Whatever is wrong with them is INVALID_CODE; a weak password is WEAK_PASSWORD and costs nothing.",
  })
  async resetPassword(@Context() ctx: Ctx, @Arg("input", () => ResetPasswordInput, { description: "Code or link, and password." }) input: ResetPasswordInput) {
    const { resetToken = null, code = null, token = null, newPassword } = input;
    return orProblem(ctx, async () =>
      Object.assign(new ResetPasswordPayload(), { resetAt: await resetPassword(ctx, { resetToken, code, token, newPassword }) }),
    );
  }

  @FieldResolver(() => String, {
    nullable: true,
    description: "The words by which this person knows that a mail is ours, for themselves only: null for everybody else and where none were chosen.",
  })
  personalPhrase(@Context() ctx: Ctx, @Root() account: Account): string | null {
    return ctx.viewer?.accountId === account.uuid ? account.personalPhrase : null;
  }
}
