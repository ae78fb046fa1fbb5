import { Arg, Args, Ctx as Context, Field, FieldResolver, ID, InputType, Mutation, ObjectType, Query, Resolver, Root } from "type-graphql";
import { Account, accountByKey } from "../accounts/account.ts";
import { asAdministrator, asConfirmedAdministrator, type Ctx } from "../context.ts";
import { type Connection, connectionOf } from "../graphql/connection.ts";
import { orProblem, resultOf } from "../graphql/mutation-result.ts";
import { decodeId } from "../graphql/node-id.ts";
import { HolderRole } from "../mailboxes/mailbox-holder.ts";
import { notFound } from "../problem.ts";
import { addTeamMember } from "./add-team-member.ts";
import { createTeam } from "./create-team.ts";
import { ForwardArgs } from "./people-resolver.ts";
import { removeTeamMember } from "./remove-team-member.ts";
import { membersOfTeam, teamsPage } from "./team-queries.ts";
import { Team, TeamMember } from "./team.ts";

@InputType({ description: "The team." })
class CreateTeamInput {
  @Field(() => String, { description: "Its e-mail address, at one of the organisation's own domains." })
  address!: string;

  @Field(() => String, { description: "The name others will see: one line of at most 100 characters." })
  displayName!: string;
}

@ObjectType({ description: "The team's mailbox is open." })
class CreateTeamPayload {
  @Field(() => Team, { description: "The team." })
  team!: Team;
}

@InputType({ description: "Who comes into which team, as what, and until when." })
class AddTeamMemberInput {
  @Field(() => ID, { description: "The team's mailbox." })
  mailboxId!: string;

  @Field(() => ID, { description: "An employee's or administrator's account." })
  accountId!: string;

  @Field(() => HolderRole, { description: "WRITER or READER." })
  role!: HolderRole;

  @Field(() => Date, { nullable: true, description: "When it ends by itself, in the future; for good if left out." })
  until?: Date | null;
}

@ObjectType({ description: "They read the team's mailbox from now on." })
class AddTeamMemberPayload {
  @Field(() => Team, { description: "The team." })
  team!: Team;
}

@InputType({ description: "Who leaves which team." })
class RemoveTeamMemberInput {
  @Field(() => ID, { description: "The team's mailbox." })
  mailboxId!: string;

  @Field(() => ID, { description: "The member's account." })
  accountId!: string;
}

@ObjectType({ description: "The team's mailbox is closed to them." })
class RemoveTeamMemberPayload {
  @Field(() => Team, { description: "The team." })
  team!: Team;
}

const CreateTeamResult = resultOf("CreateTeam", CreateTeamPayload);
const AddTeamMemberResult = resultOf("AddTeamMember", AddTeamMemberPayload);
const RemoveTeamMemberResult = resultOf("RemoveTeamMember", RemoveTeamMemberPayload);
const TeamConnection = connectionOf("Team", () => Team, "teams");

@Resolver(() => Team)
export class TeamResolver {
  @Query(() => TeamConnection, {
    nullable: true,
    description: "Every team, in the order of their addresses; for administrators, FORBIDDEN for everybody else. Looking at it is recorded.",
  })
  async teams(@Context() ctx: Ctx, @Args(() => ForwardArgs) args: ForwardArgs): Promise<Connection<Team>> {
    return teamsPage(asAdministrator(ctx), args);
  }

  @Mutation(() => CreateTeamResult, { description: "Opens a mailbox that several employees read and answer. For administrators." })
  async createTeam(@Context() ctx: Ctx, @Arg("input", () => CreateTeamInput, { description: "The team." }) input: CreateTeamInput) {
    return orProblem(ctx, async () => Object.assign(new CreateTeamPayload(), { team: await createTeam(await asConfirmedAdministrator(ctx), input) }));
  }

  @Mutation(() => AddTeamMemberResult, {
    description:
      "Lets an employee into a team's mailbox, or changes what they may do there and until when. A team has at most 100 members. For administrators.",
  })
  async addTeamMember(@Context() ctx: Ctx, @Arg("input", () => AddTeamMemberInput, { description: "Who, where, as what." }) input: AddTeamMemberInput) {
    return orProblem(ctx, async () => {
      const team = await addTeamMember(await asConfirmedAdministrator(ctx), { ...keysOf(input), role: input.role, until: input.until ?? null });
      return Object.assign(new AddTeamMemberPayload(), { team });
    });
  }

  @Mutation(() => RemoveTeamMemberResult, { description: "Takes somebody out of a team's mailbox, at once. For administrators." })
  async removeTeamMember(@Context() ctx: Ctx, @Arg("input", () => RemoveTeamMemberInput, { description: "Who, where." }) input: RemoveTeamMemberInput) {
    return orProblem(ctx, async () =>
      Object.assign(new RemoveTeamMemberPayload(), { team: await removeTeamMember(await asConfirmedAdministrator(ctx), keysOf(input)) }),
    );
  }

  @FieldResolver(() => [TeamMember], { description: "Who works it today, at most 100." })
  async members(@Context() ctx: Ctx, @Root() { uuid }: Team): Promise<TeamMember[]> {
    return membersOfTeam.load(ctx, uuid);
  }
}

@Resolver(() => TeamMember)
export class TeamMemberResolver {
  @FieldResolver(() => Account, { description: "Who." })
  async account(@Context() ctx: Ctx, @Root() { accountId }: TeamMember): Promise<Account> {
    return (await accountByKey.load(ctx, accountId)) ?? notFound();
  }
}

function keysOf(input: { mailboxId: string; accountId: string }): { mailboxId: string; accountId: string } {
  return { mailboxId: decodeId("Mailbox", input.mailboxId, "mailboxId"), accountId: decodeId("Account", input.accountId, "accountId") };
}
