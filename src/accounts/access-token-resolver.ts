import { Arg, Ctx as Context, Field, ID, InputType, Int, Mutation, ObjectType, Query, Resolver } from "type-graphql";
import { type Ctx, signedIn } from "../context.ts";
import { orProblem, resultOf } from "../graphql/mutation-result.ts";
import { decodeId } from "../graphql/node-id.ts";
import { TokenScope } from "../graphql/token-scope.ts";
import { liveAccessTokens } from "./access-token-queries.ts";
import type { WantedToken } from "./access-token-policy.ts";
import { AccessToken } from "./access-token.ts";
import { createAccessToken } from "./create-access-token.ts";
import { revokeAccessToken } from "./revoke-access-token.ts";

@InputType({ description: "The access token to make." })
class CreateAccessTokenInput implements WantedToken {
  @Field(() => String, { description: "What you call it, one line of at most 100 characters; kept sealed." })
  name!: string;

  @Field(() => [TokenScope], { description: "What it may be used for. Only administrators may ask for ADMIN." })
  scopes!: TokenScope[];

  @Field(() => Int, { description: "In how many days it ends: 1 to 365." })
  expiresInDays!: number;
}

@ObjectType({ description: "The access token is made." })
class CreateAccessTokenPayload {
  @Field(() => String, {
    description: "Send it as `Authorization: Bearer <token>`, or as `authorization` in the WebSocket's `connection_init`. Shown only here.",
  })
  token!: string;

  @Field(() => AccessToken, { description: "What is known of it later." })
  accessToken!: AccessToken;
}

@InputType({ description: "Which access token to end." })
class RevokeAccessTokenInput {
  @Field(() => ID, { description: "One of the viewer's `accessTokens`." })
  accessTokenId!: string;
}

@ObjectType({ description: "The access token is dead, and its sockets close." })
class RevokeAccessTokenPayload {
  @Field(() => Date, { description: "When it ended." })
  revokedAt!: Date;
}

const CreateAccessTokenResult = resultOf("CreateAccessToken", CreateAccessTokenPayload);
const RevokeAccessTokenResult = resultOf("RevokeAccessToken", RevokeAccessTokenPayload);

@Resolver()
export class AccessTokenResolver {
  @Mutation(() => CreateAccessTokenResult, {
    description: "Makes an access token for a partner's system or a script; at most 50 of an account live at once. An access token cannot make another.",
  })
  async createAccessToken(
    @Context() ctx: Ctx,
    @Arg("input", () => CreateAccessTokenInput, { description: "Its name, its scopes, and for how long." }) input: CreateAccessTokenInput,
  ) {
    return orProblem(ctx, async () => Object.assign(new CreateAccessTokenPayload(), await createAccessToken(signedIn(ctx), input)));
  }

  @Mutation(() => RevokeAccessTokenResult, { description: "Ends one of the viewer's access tokens, say one that leaked." })
  async revokeAccessToken(@Context() ctx: Ctx, @Arg("input", () => RevokeAccessTokenInput, { description: "Which token." }) input: RevokeAccessTokenInput) {
    return orProblem(ctx, async () => {
      const revokedAt = await revokeAccessToken(signedIn(ctx), decodeId("AccessToken", input.accessTokenId, "accessTokenId"));
      return Object.assign(new RevokeAccessTokenPayload(), { revokedAt });
    });
  }

  @Query(() => [AccessToken], { description: "The viewer's access tokens that are alive, newest first, at most 50." })
  async accessTokens(@Context() ctx: Ctx): Promise<AccessToken[]> {
    return liveAccessTokens(signedIn(ctx));
  }
}
