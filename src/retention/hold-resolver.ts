import { Arg, Args, Ctx as Context, Field, FieldResolver, ID, InputType, Mutation, ObjectType, Query, Resolver, Root } from "type-graphql";
import { accountByKey } from "../accounts/account.ts";
import { type Ctx, signedIn, signedInAndConfirmed } from "../context.ts";
import { type Connection, ConnectionArgs, connectionOf } from "../graphql/connection.ts";
import { orProblem, resultOf } from "../graphql/mutation-result.ts";
import { decodeId } from "../graphql/node-id.ts";
import { Copy, Participant } from "../messages/copy.ts";
import { notFound } from "../problem.ts";
import { Hold, HoldReason, HoldState } from "./hold.ts";
import { mayLift } from "./hold-policy.ts";
import { holdPage, holdsOfMessage, noteOf } from "./hold-queries.ts";
import { liftHold } from "./lift-hold.ts";
import { placeHold } from "./place-hold.ts";

@InputType({ description: "What to hold, why, and until when." })
class PlaceHoldInput {
  @Field(() => ID, { description: "A message or a thread: one in a mailbox of the viewer's; to administrators any." })
  targetId!: string;

  @Field(() => HoldReason, { description: "Why." })
  reason!: HoldReason;

  @Field(() => Date, { description: "When it shall end by itself: in the future, at most 10 years ahead." })
  until!: Date;

  @Field(() => String, { nullable: true, description: "For staff, at most 500 characters; kept sealed while the hold is in force." })
  note?: string | null;
}

@ObjectType({ description: "The hold is in force." })
class PlaceHoldPayload {
  @Field(() => Hold, { description: "The hold." })
  hold!: Hold;
}

@InputType({ description: "Which hold to lift." })
class LiftHoldInput {
  @Field(() => ID, { description: "The hold." })
  holdId!: string;
}

@ObjectType({ description: "The hold has ended. What it kept is readable to its own day; where that has passed it is gone." })
class LiftHoldPayload {
  @Field(() => Hold, { description: "The hold as it stands now." })
  hold!: Hold;
}

const PlaceHoldResult = resultOf("PlaceHold", PlaceHoldPayload);
const LiftHoldResult = resultOf("LiftHold", LiftHoldPayload);
const HoldConnection = connectionOf("Hold", () => Hold, "holds");

@Resolver(() => Hold)
export class HoldResolver {
  @Query(() => HoldConnection, { description: "Holds, newest first: to administrators all, to employees those they placed." })
  async holds(
    @Context() ctx: Ctx,
    @Args(() => ConnectionArgs) page: ConnectionArgs,
    @Arg("state", () => HoldState, { nullable: true, description: "Only those in this state; all if left out." }) state?: HoldState | null,
  ): Promise<Connection<Hold>> {
    return holdPage(signedIn(ctx), state ?? null, page);
  }

  @Mutation(() => PlaceHoldResult, { description: "Keeps a message, or all messages of a thread and those to come, until an instant. Only for staff." })
  async placeHold(@Context() ctx: Ctx, @Arg("input", () => PlaceHoldInput, { description: "The hold." }) { note, ...input }: PlaceHoldInput) {
    return orProblem(ctx, async () =>
      Object.assign(new PlaceHoldPayload(), { hold: await placeHold(await signedInAndConfirmed(ctx), { ...input, note: note ?? null }) }),
    );
  }

  @Mutation(() => LiftHoldResult, { description: "Ends a hold. Only for whoever placed it, and administrators." })
  async liftHold(@Context() ctx: Ctx, @Arg("input", () => LiftHoldInput, { description: "Which." }) { holdId }: LiftHoldInput) {
    return orProblem(ctx, async () =>
      Object.assign(new LiftHoldPayload(), { hold: await liftHold(await signedInAndConfirmed(ctx), decodeId("Hold", holdId, "holdId")) }),
    );
  }

  @FieldResolver(() => Participant, { description: "Who placed it." })
  async placedBy(@Context() ctx: Ctx, @Root() { placedById }: Hold): Promise<Participant> {
    return (await accountByKey.load(ctx, placedById)) ?? notFound();
  }

  @FieldResolver(() => Participant, { nullable: true, description: "Who lifted it; null while it is in force, and where its time was over." })
  async liftedBy(@Context() ctx: Ctx, @Root() { liftedById }: Hold): Promise<Participant | undefined> {
    return liftedById === null ? undefined : accountByKey.load(ctx, liftedById);
  }

  @FieldResolver(() => String, { nullable: true, description: "Its note. Only for whoever placed it and administrators, and only while it is in force." })
  async note(@Context() ctx: Ctx, @Root() hold: Hold): Promise<string | null> {
    return mayLift(signedIn(ctx).viewer, hold) ? noteOf(ctx, hold) : null;
  }
}

/** What holds add to a message. */
@Resolver(() => Copy)
export class HeldMessageResolver {
  @FieldResolver(() => Date, { nullable: true, description: "Until when a hold keeps it readable and from being deleted; null without one." })
  heldUntil(@Context() ctx: Ctx, @Root() { heldUntil }: Copy): Date | null {
    return heldUntil !== null && heldUntil > ctx.clock.now() ? heldUntil : null;
  }

  @FieldResolver(() => [Hold], { nullable: true, description: "The holds in force on it, newest first. Only staff may know; null to everybody else." })
  async holds(@Context() ctx: Ctx, @Root() { messageId }: Copy): Promise<Hold[] | null> {
    return signedIn(ctx).viewer.isEmployee ? holdsOfMessage.load(ctx, messageId) : null;
  }
}
