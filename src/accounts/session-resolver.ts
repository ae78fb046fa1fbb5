import { Arg, Ctx as Context, Field, ID, InputType, Int, Mutation, ObjectType, Query, Resolver } from "type-graphql";
import { type Ctx, signedIn, signedInAtLeast } from "../context.ts";
import { orProblem, resultOf } from "../graphql/mutation-result.ts";
import { decodeId } from "../graphql/node-id.ts";
import { Account } from "./account.ts";
import { liveDevices } from "./device-queries.ts";
import { Device } from "./device.ts";
import { CODE_DIGITS, CODE_MINUTES, requestSignInCode } from "./request-sign-in-code.ts";
import { revokeDevice } from "./revoke-device.ts";
import { revokeOtherSessions, revokeSession, signOut } from "./revoke-session.ts";
import { liveSessions } from "./session-queries.ts";
import { Session } from "./session.ts";
import { MAX_CODE_TRIES, signInWithCode } from "./sign-in-with-code.ts";

/** What the `deviceToken` of every way to sign in is. */
export const DEVICE_TOKEN = "The `deviceToken` this app got at an earlier sign-in, so that it is known again; browsers have a cookie and leave it out.";

@InputType({ description: "Who wants a code to sign in with." })
class RequestSignInCodeInput {
  @Field(() => String, { description: "The user ID; upper and lower case are the same." })
  userId!: string;

  @Field(() => String, { nullable: true, description: DEVICE_TOKEN })
  deviceToken!: string | null;
}

@ObjectType({ description: "A code was sent, if this user ID has an account that may use one. The answer is the same for everybody." })
class RequestSignInCodePayload {
  @Field(() => Date, { description: "Until when such a code holds." })
  expiresAt!: Date;
}

@InputType({ description: "Who signs in, and the code that was sent." })
class SignInWithCodeInput {
  @Field(() => String, { description: "The user ID for which the code was asked." })
  userId!: string;

  @Field(() => String, { description: `The ${CODE_DIGITS} digits; spaces do not matter.` })
  code!: string;

  @Field(() => String, { nullable: true, description: DEVICE_TOKEN })
  deviceToken!: string | null;
}

@ObjectType()
export abstract class SessionBegun {
  @Field(() => String, {
    description: "Send it as `Authorization: Bearer <token>`, or as `authorization` in the WebSocket's `connection_init`. Shown only here.",
  })
  token!: string;

  @Field(() => Date, { description: "When the session ends at the latest; earlier if it is unused for too long." })
  expiresAt!: Date;

  @Field(() => Account, { description: "Who is signed in now." })
  account!: Account;

  @Field(() => String, {
    nullable: true,
    description: "Apps keep it, beyond the end of the session, and send it at the next sign-in: then this device is known. Null where it is already.",
  })
  deviceToken!: string | null;

  @Field(() => Boolean, {
    description:
      "True if this account must have a second factor and gave none: until one is set up, the session is good for that only, and everything else is SECOND_FACTOR_REQUIRED.",
  })
  isConfined!: boolean;
}

@ObjectType({ description: "A session has begun, as by `signIn`." })
class SignInWithCodePayload extends SessionBegun {}

@ObjectType({ description: "The session has ended, here and on every open socket." })
export class SignOutPayload {
  @Field(() => Date, { description: "When it ended." })
  signedOutAt!: Date;
}

@InputType({ description: "Which session to end." })
class RevokeSessionInput {
  @Field(() => ID, { description: "One of the viewer's `sessions`." })
  sessionId!: string;
}

@ObjectType({ description: "The session has ended: its token is dead and its sockets close." })
class RevokeSessionPayload {
  @Field(() => Date, { description: "When it ended." })
  revokedAt!: Date;
}

@ObjectType({ description: "All other sessions of the viewer have ended: their tokens are dead and their sockets close." })
class RevokeOtherSessionsPayload {
  @Field(() => Date, { description: "When they ended." })
  revokedAt!: Date;

  @Field(() => Int, { description: "How many there were." })
  revokedCount!: number;
}

@InputType({ description: "Which device to forget." })
class RevokeDeviceInput {
  @Field(() => ID, { description: "One of the viewer's `devices`." })
  deviceId!: string;
}

@ObjectType({ description: "The device is not known any more, and its sessions have ended." })
class RevokeDevicePayload {
  @Field(() => Date, { description: "When that was." })
  revokedAt!: Date;
}

const RequestSignInCodeResult = resultOf("RequestSignInCode", RequestSignInCodePayload);
const SignInWithCodeResult = resultOf("SignInWithCode", SignInWithCodePayload);
const RevokeOtherSessionsResult = resultOf("RevokeOtherSessions", RevokeOtherSessionsPayload);
const RevokeDeviceResult = resultOf("RevokeDevice", RevokeDevicePayload);
const SignOutResult = resultOf("SignOut", SignOutPayload);
const RevokeSessionResult = resultOf("RevokeSession", RevokeSessionPayload);

@Resolver()
export class SessionResolver {
  @Mutation(() => RequestSignInCodeResult, {
    description: `Sends a one-time code for \`signInWithCode\` to the account's address; it holds for ${CODE_MINUTES} minutes, and a new one voids it. The answer is the same, in the same time, whether anybody has the user ID. SIGN_IN_METHOD_OFF unless the organisation allows it; employees, administrators and whoever has a second factor are sent none. THROTTLED after three for one user ID.`,
  })
  async requestSignInCode(@Context() ctx: Ctx, @Arg("input", () => RequestSignInCodeInput, { description: "For whom." }) input: RequestSignInCodeInput) {
    return orProblem(ctx, async () => Object.assign(new RequestSignInCodePayload(), { expiresAt: await requestSignInCode(ctx, input) }));
  }

  @Mutation(() => SignInWithCodeResult, {
    description: `Starts a session with a code from \`requestSignInCode\`; it works once, and ${MAX_CODE_TRIES} wrong ones void it. Whatever is wrong is INVALID_CREDENTIALS, counted like a wrong password; SIGN_IN_METHOD_OFF unless the organisation allows it.`,
  })
  async signInWithCode(@Context() ctx: Ctx, @Arg("input", () => SignInWithCodeInput, { description: "User ID and code." }) input: SignInWithCodeInput) {
    return orProblem(ctx, async () => Object.assign(new SignInWithCodePayload(), await signInWithCode(ctx, input)));
  }

  @Mutation(() => SignOutResult, { description: "Ends the session that asks." })
  async signOut(@Context() ctx: Ctx) {
    return orProblem(ctx, async () => Object.assign(new SignOutPayload(), { signedOutAt: await signOut(signedInAtLeast(ctx)) }));
  }

  @Mutation(() => RevokeSessionResult, { description: "Ends one of the viewer's sessions, say on a lost phone." })
  async revokeSession(@Context() ctx: Ctx, @Arg("input", () => RevokeSessionInput, { description: "Which session." }) input: RevokeSessionInput) {
    return orProblem(ctx, async () => {
      const revokedAt = await revokeSession(signedInAtLeast(ctx), decodeId("Session", input.sessionId, "sessionId"));
      return Object.assign(new RevokeSessionPayload(), { revokedAt });
    });
  }

  @Mutation(() => RevokeOtherSessionsResult, { description: "Ends all of the viewer's sessions but the one that asks." })
  async revokeOtherSessions(@Context() ctx: Ctx) {
    return orProblem(ctx, async () => Object.assign(new RevokeOtherSessionsPayload(), await revokeOtherSessions(signedIn(ctx))));
  }

  @Mutation(() => RevokeDeviceResult, {
    description: "Forgets one of the viewer's devices and ends its sessions, this one too if it is its. Signing in there again counts as a new device.",
  })
  async revokeDevice(@Context() ctx: Ctx, @Arg("input", () => RevokeDeviceInput, { description: "Which device." }) input: RevokeDeviceInput) {
    return orProblem(ctx, async () => {
      const revokedAt = await revokeDevice(signedIn(ctx), decodeId("Device", input.deviceId, "deviceId"));
      return Object.assign(new RevokeDevicePayload(), { revokedAt });
    });
  }

  @Query(() => [Device], { description: "The viewer's devices that are not revoked, last used first, at most 100. One unused for 400 days is forgotten." })
  async devices(@Context() ctx: Ctx): Promise<Device[]> {
    return liveDevices(signedIn(ctx));
  }

  @Query(() => [Session], { description: "The viewer's sessions that are alive, newest first, at most 100." })
  async sessions(@Context() ctx: Ctx): Promise<Session[]> {
    return liveSessions(signedInAtLeast(ctx));
  }
}
