import { Arg, Args, ArgsType, Ctx as Context, Field, FieldResolver, ID, InputType, Int, Mutation, ObjectType, Query, Resolver, Root } from "type-graphql";
import { Account, AccountKind } from "../accounts/account.ts";
import { asAdministrator, asConfirmedAdministrator, type Ctx } from "../context.ts";
import { type Connection, connectionOf } from "../graphql/connection.ts";
import { orProblem, resultOf } from "../graphql/mutation-result.ts";
import { decodeId } from "../graphql/node-id.ts";
import { AccountState, invitedUntil } from "./account-state.ts";
import { changeAccountKind } from "./change-account-kind.ts";
import { disableAccount, DisableReason } from "./disable-account.ts";
import { enableAccount } from "./enable-account.ts";
import { type ForwardPage, peoplePage, type PeopleQuery } from "./people-queries.ts";

@InputType({ description: "Which people to list; all conditions hold together." })
class PeopleFilter implements PeopleQuery {
  @Field(() => String, {
    nullable: true,
    description: "What an address or a user ID begins with, in either case; it is not a pattern. Names cannot be searched: they are sealed.",
  })
  query?: string | null;

  @Field(() => AccountKind, { nullable: true, description: "Only of this kind." })
  kind?: AccountKind | null;

  @Field(() => AccountState, { nullable: true, description: "Only in this state." })
  state?: AccountState | null;
}

/** Where a page of people or teams begins. */
@ArgsType()
export class ForwardArgs implements ForwardPage {
  @Field(() => Int, { nullable: true, description: "How many to return from the start, or from `after`: 1 to 100, 25 if not given." })
  first?: number | null;

  @Field(() => String, { nullable: true, description: "Return what follows the edge with this cursor." })
  after?: string | null;
}

@InputType({ description: "Whom to shut out." })
class DisableAccountInput {
  @Field(() => ID, { description: "The account." })
  accountId!: string;

  @Field(() => DisableReason, { nullable: true, description: "Why; stands in the ledger. OTHER if left out." })
  reason?: DisableReason | null;
}

@ObjectType({ description: "They cannot sign in, and all that they had open ends within two seconds." })
class DisableAccountPayload {
  @Field(() => Account, { description: "The account as it stands now." })
  account!: Account;
}

@InputType({ description: "Whom to let in again." })
class EnableAccountInput {
  @Field(() => ID, { description: "The account." })
  accountId!: string;
}

@ObjectType({ description: "They can sign in again." })
class EnableAccountPayload {
  @Field(() => Account, { description: "The account as it stands now." })
  account!: Account;
}

@InputType({ description: "Who becomes what." })
class ChangeAccountKindInput {
  @Field(() => ID, { description: "The account." })
  accountId!: string;

  @Field(() => AccountKind, { description: "What it becomes. Addresses at our own domains are EMPLOYEE or ADMINISTRATOR, all others neither." })
  kind!: AccountKind;
}

@ObjectType({ description: "The kind is changed. Their sessions have ended, and so has every access token with the scope ADMIN." })
class ChangeAccountKindPayload {
  @Field(() => Account, { description: "The account as it stands now." })
  account!: Account;
}

const DisableAccountResult = resultOf("DisableAccount", DisableAccountPayload);
const EnableAccountResult = resultOf("EnableAccount", EnableAccountPayload);
const ChangeAccountKindResult = resultOf("ChangeAccountKind", ChangeAccountKindPayload);
const AccountConnection = connectionOf("Account", () => Account, "people");

@Resolver(() => Account)
export class PeopleResolver {
  @Query(() => AccountConnection, {
    nullable: true,
    description: "Everybody with an account, in the order of their addresses; for administrators, FORBIDDEN for everybody else. Looking at it is recorded.",
  })
  async people(
    @Context() ctx: Ctx,
    @Arg("filter", () => PeopleFilter, { nullable: true, description: "Which people to list." }) filter: PeopleFilter | null | undefined,
    @Args(() => ForwardArgs) args: ForwardArgs,
  ): Promise<Connection<Account>> {
    return peoplePage(asAdministrator(ctx), filter ?? {}, args);
  }

  @Mutation(() => DisableAccountResult, {
    description: "Shuts somebody out at once: sessions, access tokens and sockets end. For administrators, who cannot do it to themselves.",
  })
  async disableAccount(@Context() ctx: Ctx, @Arg("input", () => DisableAccountInput, { description: "Whom, and why." }) input: DisableAccountInput) {
    return orProblem(ctx, async () => {
      const administrator = await asConfirmedAdministrator(ctx);
      const accountId = decodeId("Account", input.accountId, "accountId");
      const account = await disableAccount(administrator, { accountId, reason: input.reason ?? DisableReason.OTHER });
      return Object.assign(new DisableAccountPayload(), { account });
    });
  }

  @Mutation(() => EnableAccountResult, { description: "Lets somebody in again who was disabled. For administrators." })
  async enableAccount(@Context() ctx: Ctx, @Arg("input", () => EnableAccountInput, { description: "Whom." }) input: EnableAccountInput) {
    return orProblem(ctx, async () => {
      const account = await enableAccount(await asConfirmedAdministrator(ctx), decodeId("Account", input.accountId, "accountId"));
      return Object.assign(new EnableAccountPayload(), { account });
    });
  }

  @Mutation(() => ChangeAccountKindResult, {
    description: "Makes somebody an administrator or one no more, or says what an external person is. For administrators; one must remain.",
  })
  async changeAccountKind(
    @Context() ctx: Ctx,
    @Arg("input", () => ChangeAccountKindInput, { description: "Who becomes what." }) input: ChangeAccountKindInput,
  ) {
    return orProblem(ctx, async () => {
      const administrator = await asConfirmedAdministrator(ctx);
      const accountId = decodeId("Account", input.accountId, "accountId");
      return Object.assign(new ChangeAccountKindPayload(), { account: await changeAccountKind(administrator, { accountId, kind: input.kind }) });
    });
  }

  @FieldResolver(() => AccountState, { description: "Whether they can sign in." })
  async state(@Context() ctx: Ctx, @Root() { uuid, disabledAt }: Account): Promise<AccountState> {
    if (disabledAt !== null) return AccountState.DISABLED;
    return (await invitedUntil.load(ctx, uuid)) === null ? AccountState.ACTIVE : AccountState.INVITED;
  }

  @FieldResolver(() => Date, {
    nullable: true,
    description: "Until when the invitation can be accepted, in the past once its link works no more; null where none waits.",
  })
  async invitedUntil(@Context() ctx: Ctx, @Root() { uuid }: Account): Promise<Date | null> {
    return invitedUntil.load(ctx, uuid);
  }
}
