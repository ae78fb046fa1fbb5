import type { PublicKeyCredentialRequestOptionsJSON } from "@simplewebauthn/server";
import { GraphQLJSONObject } from "graphql-scalars";
import { Arg, Ctx as Context, Field, InputType, Mutation, ObjectType, Resolver } from "type-graphql";
import { DEVICE_TOKEN, SessionBegun } from "../accounts/session-resolver.ts";
import { signIn } from "../accounts/sign-in.ts";
import type { Ctx } from "../context.ts";
import { orProblem, resultOf } from "../graphql/mutation-result.ts";
import { beginPasskeySignIn } from "./begin-passkey-sign-in.ts";
import { checkSecondFactor } from "./check-second-factor.ts";
import { PasskeyAnswerInput, secondFactorIn, SecondFactorInput } from "./second-factor-input.ts";
import { signInWithPasskey } from "./sign-in-with-passkey.ts";

@InputType({ description: "Who signs in." })
class SignInInput {
  @Field(() => String, { description: "The user ID; upper and lower case are the same." })
  userId!: string;

  @Field(() => String, { description: "The password." })
  password!: string;

  @Field(() => SecondFactorInput, {
    nullable: true,
    description: "Where the account has one. Leave it out at first: SECOND_FACTOR_REQUIRED says what the account has, once the password is right.",
  })
  secondFactor?: SecondFactorInput | null;

  @Field(() => String, { nullable: true, description: DEVICE_TOKEN })
  deviceToken!: string | null;
}

@InputType({ description: "A passkey that signs in alone." })
class SignInWithPasskeyInput extends PasskeyAnswerInput {
  @Field(() => String, { nullable: true, description: DEVICE_TOKEN })
  deviceToken!: string | null;
}

@ObjectType({ description: "A session has begun. Browsers got it as an HttpOnly cookie as well and need not keep the token." })
class SignInPayload extends SessionBegun {}

@ObjectType({ description: "A session has begun, as by `signIn`." })
class SignInWithPasskeyPayload extends SessionBegun {}

@ObjectType({ description: "What to ask a browser for. It can be answered once, within five minutes." })
class BeginPasskeySignInPayload {
  @Field(() => String, { description: "To be sent back with the answer." })
  challengeId!: string;

  @Field(() => GraphQLJSONObject, {
    description: "For `navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options) })`.",
  })
  options!: PublicKeyCredentialRequestOptionsJSON;
}

const SignInResult = resultOf("SignIn", SignInPayload);
const BeginPasskeySignInResult = resultOf("BeginPasskeySignIn", BeginPasskeySignInPayload);
const SignInWithPasskeyResult = resultOf("SignInWithPasskey", SignInWithPasskeyPayload);

@Resolver()
export class SignInResolver {
  @Mutation(() => SignInResult, {
    description:
      "Starts a session with user ID and password, and a second factor where the account has one. An unknown user ID and a wrong password get the same answer in the same time. After ten failures for one user ID, or fifty from one source, THROTTLED: each wait is twice as long as the one before; wrong second factors count after five. Devices on which the account signed in before count for themselves.",
  })
  async signIn(@Context() ctx: Ctx, @Arg("input", () => SignInInput, { description: "User ID, password and second factor." }) input: SignInInput) {
    return orProblem(ctx, async () => {
      const { secondFactor, ...credentials } = input;
      const given = secondFactorIn(secondFactor);
      return Object.assign(new SignInPayload(), await signIn(ctx, credentials, (ctx, account) => checkSecondFactor(ctx, account, given)));
    });
  }

  @Mutation(() => BeginPasskeySignInResult, {
    description:
      "Asks for a passkey, for whatever it shall prove: `signInWithPasskey`, a second factor, or `confirmIdentity`. It takes no user ID and says nothing about anybody.",
  })
  async beginPasskeySignIn(@Context() ctx: Ctx) {
    return orProblem(ctx, async () => Object.assign(new BeginPasskeySignInPayload(), await beginPasskeySignIn(ctx)));
  }

  @Mutation(() => SignInWithPasskeyResult, { description: "Starts a session with a passkey alone; it counts as two factors, since its owner unlocked it." })
  async signInWithPasskey(
    @Context() ctx: Ctx,
    @Arg("input", () => SignInWithPasskeyInput, { description: "The browser's answer." }) input: SignInWithPasskeyInput,
  ) {
    return orProblem(ctx, async () => Object.assign(new SignInWithPasskeyPayload(), await signInWithPasskey(ctx, input)));
  }
}
