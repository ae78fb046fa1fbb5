import { Ctx as Context, Field, FieldResolver, ObjectType, Query, Resolver } from "type-graphql";
import { SignOutPayload } from "../accounts/session-resolver.ts";
import type { Ctx } from "../context.ts";
import { providerSignOutUrl } from "./provider-sign-out.ts";
import { startUrlOf } from "./start-url.ts";

@ObjectType({ description: "The organisation's own sign-in, for its employees." })
class SingleSignOnMethod {
  @Field(() => String, { description: "What to write on its button." })
  name!: string;

  @Field(() => String, {
    description: "Where the button leads, as a whole page; `?returnTo=` may name a path of this site to come back to. The page comes back signed in.",
  })
  url!: string;
}

@ObjectType({ description: "The ways to sign in that a login page can offer. The same for everybody: it says nothing about anybody's account." })
class SignInMethods {
  @Field(() => Boolean, { description: "User ID and password." })
  password!: boolean;

  @Field(() => Boolean, { description: "Passkeys (WebAuthn)." })
  passkey!: boolean;

  @Field(() => SingleSignOnMethod, { nullable: true, description: "The organisation's own sign-in; null where it has none." })
  singleSignOn!: SingleSignOnMethod | null;
}

@Resolver()
export class SignInMethodsResolver {
  @Query(() => SignInMethods, { description: "Which ways to sign in a login page can offer. Needs no session." })
  signInMethods(@Context() { config }: Ctx): SignInMethods {
    const { singleSignOn } = config;
    const offered = singleSignOn && { name: singleSignOn.name, url: startUrlOf(config, singleSignOn) };
    return Object.assign(new SignInMethods(), { password: true, passkey: true, singleSignOn: offered });
  }
}

@Resolver(() => SignOutPayload)
export class SignOutRedirectResolver {
  @FieldResolver(() => String, {
    nullable: true,
    description:
      "Where to send the browser next, so that the session at the identity provider ends as well; null for whoever signed in by other means, or where the provider takes no such word.",
  })
  async redirectUrl(@Context() ctx: Ctx): Promise<string | null> {
    return providerSignOutUrl(ctx);
  }
}
