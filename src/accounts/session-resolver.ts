import { Arg, Ctx as Context, Field, ID, InputType, Mutation, ObjectType, Query, Resolver } from "type-graphql";
import { type Ctx, signedIn } from "../context.ts";
import { orProblem, resultOf } from "../graphql/mutation-result.ts";
import { decodeId } from "../graphql/node-id.ts";
import { Account } from "./account.ts";
import { revokeSession, signOut } from "./revoke-session.ts";
import { liveSessions } from "./session-queries.ts";
import { Session } from "./session.ts";
import { signIn } from "./sign-in.ts";

@InputType({ description: "Who signs in." })
class SignInInput {
  @Field(() => String, { description: "The user ID; upper and lower case are the same." })
  userId!: string;

  @Field(() => String, { description: "The password." })
  password!: string;
}

@ObjectType({ description: "A session has begun. Browsers got it as an HttpOnly cookie as well and need not keep the token." })
class SignInPayload {
  @Field(() => String, {
    description: "Send it as `Authorization: Bearer <token>`, or as `authorization` in the WebSocket's `connection_init`. Shown only here.",
  })
  token!: string;

  @Field(() => Date, { description: "When the session ends at the latest; earlier if it is unused for too long." })
  expiresAt!: Date;

  @Field(() => Account, { description: "Who is signed in now." })
  account!: Account;
}

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

const SignInResult = resultOf("SignIn", SignInPayload);
const SignOutResult = resultOf("SignOut", SignOutPayload);
const RevokeSessionResult = resultOf("RevokeSession", RevokeSessionPayload);

@Resolver()
export class SessionResolver {
  @Mutation(() => SignInResult, {
    description: "Starts a session with user ID and password. An unknown user ID and a wrong password get the same answer in the same time.",
  })
  async signIn(@Context() ctx: Ctx, @Arg("input", () => SignInInput, { description: "User ID and password." }) input: SignInInput) {
    return orProblem(ctx, async () => Object.assign(new SignInPayload(), await signIn(ctx, input)));
  }

  @Mutation(() => SignOutResult, { description: "Ends the session that asks." })
  async signOut(@Context() ctx: Ctx) {
    return orProblem(ctx, async () => Object.assign(new SignOutPayload(), { signedOutAt: await signOut(signedIn(ctx)) }));
  }

  @Mutation(() => RevokeSessionResult, { description: "Ends one of the viewer's sessions, say on a lost phone." })
  async revokeSession(@Context() ctx: Ctx, @Arg("input", () => RevokeSessionInput, { description: "Which session." }) input: RevokeSessionInput) {
    return orProblem(ctx, async () => {
      const revokedAt = await revokeSession(signedIn(ctx), decodeId("Session", input.sessionId, "sessionId"));
      return Object.assign(new RevokeSessionPayload(), { revokedAt });
    });
  }

  @Query(() => [Session], { description: "The viewer's sessions that are alive, newest first, at most 100." })
  async sessions(@Context() ctx: Ctx): Promise<Session[]> {
    return liveSessions(signedIn(ctx));
  }
}
