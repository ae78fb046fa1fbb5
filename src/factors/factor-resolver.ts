import { Arg, Ctx as Context, Field, FieldResolver, InputType, Int, Mutation, ObjectType, Query, Resolver } from "type-graphql";
import { mustHaveSecondFactor } from "../accounts/second-factor-policy.ts";
import { accountByKey } from "../accounts/account.ts";
import { type Ctx, signedInAtLeast } from "../context.ts";
import { orProblem, resultOf } from "../graphql/mutation-result.ts";
import { notFound, ProblemCode, refuse } from "../problem.ts";
import { beginTotpSetup } from "./begin-totp-setup.ts";
import { confirmIdentity, type Proof } from "./confirm-identity.ts";
import { confirmTotp } from "./confirm-totp.ts";
import { passkeysOf, totpSince } from "./factor-queries.ts";
import { Passkey } from "./passkey.ts";
import { recoveryCodesLeft } from "./recovery-codes.ts";
import { regenerateRecoveryCodes } from "./regenerate-recovery-codes.ts";
import { removeTotp } from "./remove-totp.ts";
import { PasskeyAnswerInput, secondFactorIn, SecondFactorInput } from "./second-factor-input.ts";

@ObjectType({ description: "What the viewer can give as a second factor." })
class SecondFactors {}

@ObjectType({ description: "What to tell an authenticator app. It counts once `confirmTotp` was given its first code, within an hour." })
class BeginTotpSetupPayload {
  @Field(() => String, { description: "The secret in base32, to be typed. Shown only here." })
  secret!: string;

  @Field(() => String, { description: "The same as an `otpauth:` address, to be shown as a QR code." })
  uri!: string;
}

@InputType({ description: "The first code of an authenticator app." })
class ConfirmTotpInput {
  @Field(() => String, { description: "The six digits that it shows now." })
  code!: string;
}

@ObjectType({ description: "The authenticator app is a second factor from now on." })
class ConfirmTotpPayload {
  @Field(() => Date, { description: "Since when." })
  since!: Date;

  @Field(() => [String], { description: "Ten recovery codes where the account had none, to be kept by its owner; otherwise empty. Shown only here." })
  recoveryCodes!: string[];
}

@ObjectType({ description: "The authenticator app counts no more." })
class RemoveTotpPayload {
  @Field(() => Date, { description: "When it was removed." })
  removedAt!: Date;
}

@ObjectType({ description: "The old codes are worth nothing any more." })
class RegenerateRecoveryCodesPayload {
  @Field(() => [String], { description: "Ten codes, to be kept by their owner. Each is good once. Shown only here." })
  recoveryCodes!: string[];
}

@InputType({ description: "A new proof of who uses this session: the password, with a second factor where the account has one, or a passkey." })
class ConfirmIdentityInput {
  @Field(() => String, { nullable: true, description: "The password." })
  password?: string | null;

  @Field(() => SecondFactorInput, { nullable: true, description: "The second factor, where the account has one." })
  secondFactor?: SecondFactorInput | null;

  @Field(() => PasskeyAnswerInput, { nullable: true, description: "A passkey of this account instead, asked for by `beginPasskeySignIn`." })
  passkey?: PasskeyAnswerInput | null;
}

@ObjectType({ description: "Exports and administration are open to this session for a while." })
class ConfirmIdentityPayload {
  @Field(() => Date, { description: "Until when the proof counts." })
  confirmedUntil!: Date;
}

const BeginTotpSetupResult = resultOf("BeginTotpSetup", BeginTotpSetupPayload);
const ConfirmTotpResult = resultOf("ConfirmTotp", ConfirmTotpPayload);
const RemoveTotpResult = resultOf("RemoveTotp", RemoveTotpPayload);
const RegenerateRecoveryCodesResult = resultOf("RegenerateRecoveryCodes", RegenerateRecoveryCodesPayload);
const ConfirmIdentityResult = resultOf("ConfirmIdentity", ConfirmIdentityPayload);

@Resolver(() => SecondFactors)
export class FactorResolver {
  @Query(() => SecondFactors, { description: "What the viewer can give as a second factor." })
  secondFactors(@Context() ctx: Ctx): SecondFactors {
    signedInAtLeast(ctx);
    return new SecondFactors();
  }

  @FieldResolver(() => Boolean, { description: "Whether this account must have one." })
  async isRequired(@Context() ctx: Ctx): Promise<boolean> {
    const { kind } = (await accountByKey.load(ctx, signedInAtLeast(ctx).viewer.accountId)) ?? notFound();
    return mustHaveSecondFactor(ctx.config, kind);
  }

  @FieldResolver(() => [Passkey], { description: "The passkeys, oldest first." })
  async passkeys(@Context() ctx: Ctx): Promise<Passkey[]> {
    return passkeysOf(ctx, signedInAtLeast(ctx).viewer.accountId);
  }

  @FieldResolver(() => Date, { nullable: true, description: "Since when an authenticator app counts; null if none does." })
  async totpSince(@Context() ctx: Ctx): Promise<Date | null> {
    return totpSince(ctx, signedInAtLeast(ctx).viewer.accountId);
  }

  @FieldResolver(() => Int, { description: "How many recovery codes can still be used." })
  async recoveryCodesLeft(@Context() ctx: Ctx): Promise<number> {
    return recoveryCodesLeft(ctx, signedInAtLeast(ctx).viewer.accountId);
  }

  @Mutation(() => BeginTotpSetupResult, {
    description: "Makes a secret for an authenticator app. Needs a recent proof of who asks (`confirmIdentity`).",
  })
  async beginTotpSetup(@Context() ctx: Ctx) {
    return orProblem(ctx, async () => Object.assign(new BeginTotpSetupPayload(), await beginTotpSetup(signedInAtLeast(ctx))));
  }

  @Mutation(() => ConfirmTotpResult, {
    description:
      "Takes an authenticator app into use, in the place of an earlier one. Its owner is told by mail. Needs a recent proof of who asks (`confirmIdentity`).",
  })
  async confirmTotp(@Context() ctx: Ctx, @Arg("input", () => ConfirmTotpInput, { description: "Its first code." }) { code }: ConfirmTotpInput) {
    return orProblem(ctx, async () => {
      const recoveryCodes = await confirmTotp(signedInAtLeast(ctx), code);
      return Object.assign(new ConfirmTotpPayload(), { since: ctx.clock.now(), recoveryCodes });
    });
  }

  @Mutation(() => RemoveTotpResult, {
    description:
      "Removes the authenticator app. Their last factor takes the recovery codes along, and stays where one is required. Needs a recent proof of who asks (`confirmIdentity`).",
  })
  async removeTotp(@Context() ctx: Ctx) {
    return orProblem(ctx, async () => {
      await removeTotp(signedInAtLeast(ctx));
      return Object.assign(new RemoveTotpPayload(), { removedAt: ctx.clock.now() });
    });
  }

  @Mutation(() => RegenerateRecoveryCodesResult, {
    description: "Makes ten new recovery codes in the place of all old ones. Needs a recent proof of who asks (`confirmIdentity`).",
  })
  async regenerateRecoveryCodes(@Context() ctx: Ctx) {
    return orProblem(ctx, async () =>
      Object.assign(new RegenerateRecoveryCodesPayload(), { recoveryCodes: await regenerateRecoveryCodes(signedInAtLeast(ctx)) }),
    );
  }

  @Mutation(() => ConfirmIdentityResult, {
    description: "Proves again who uses this session, as STEP_UP_REQUIRED asks for. Signing in counts, too. Personal access tokens cannot do this.",
  })
  async confirmIdentity(@Context() ctx: Ctx, @Arg("input", () => ConfirmIdentityInput, { description: "The proof." }) input: ConfirmIdentityInput) {
    return orProblem(ctx, async () =>
      Object.assign(new ConfirmIdentityPayload(), { confirmedUntil: await confirmIdentity(signedInAtLeast(ctx), proofIn(input)) }),
    );
  }
}

function proofIn({ password, secondFactor, passkey }: ConfirmIdentityInput): Proof {
  if (passkey != null && password == null) return { passkey };
  if (password != null && passkey == null) return { password, secondFactor: secondFactorIn(secondFactor) };
  refuse(ProblemCode.INVALID_INPUT, "Give either the password, with a second factor where you have one, or a passkey.", { field: "input" });
}
