import { Arg, Ctx as Context, Field, InputType, Int, Mutation, ObjectType, Query, Resolver } from "type-graphql";
import { type Ctx, signedIn, asConfirmedAdministrator } from "../context.ts";
import { orProblem, resultOf } from "../graphql/mutation-result.ts";
import { advanceClock, MAX_DAYS_AT_ONCE } from "./advance-clock.ts";
import { SandboxClock } from "./sandbox-clock.ts";

@ObjectType("Clock", { description: "The server's clock." })
class ClockType {
  @Field(() => Date, { description: "What time it is for the server. Count the days until `expiresAt` from here, not from the device's own clock." })
  now!: Date;

  @Field(() => Boolean, { description: "True in a sandbox, whose clock an administrator may move." })
  isSandbox!: boolean;
}

@InputType({ description: "How far the clock shall move (days, hours and minutes together), or `to` which instant." })
class AdvanceClockInput {
  @Field(() => Int, { nullable: true, description: `Days of 24 hours; at most ${MAX_DAYS_AT_ONCE} at once.` })
  days?: number | null;

  @Field(() => Int, { nullable: true, description: "Hours." })
  hours?: number | null;

  @Field(() => Int, { nullable: true, description: "Minutes." })
  minutes?: number | null;

  @Field(() => Date, { nullable: true, description: "The instant at which it shall stand, instead of a distance." })
  to?: Date | null;
}

@ObjectType({ description: "The clock has moved, and the jobs that came due on the way have run." })
class AdvanceClockPayload {
  @Field(() => ClockType, { description: "The clock as it stands now." })
  clock!: ClockType;
}

const AdvanceClockResult = resultOf("AdvanceClock", AdvanceClockPayload);

@Resolver()
export class ClockResolver {
  @Query(() => ClockType, { description: "What time it is for the server." })
  clock(@Context() ctx: Ctx): ClockType {
    return clockOf(signedIn(ctx));
  }

  @Mutation(() => AdvanceClockResult, {
    description:
      "Moves the clock of a sandbox forward, for everybody, day by day: messages expire, subscribers are told, jobs run; then it answers. Sessions stay alive. For administrators; FORBIDDEN where the server is no sandbox.",
  })
  async advanceClock(@Context() ctx: Ctx, @Arg("input", () => AdvanceClockInput, { description: "How far." }) input: AdvanceClockInput) {
    return orProblem(ctx, async () => {
      await advanceClock(await asConfirmedAdministrator(ctx), input);
      return Object.assign(new AdvanceClockPayload(), { clock: clockOf(ctx) });
    });
  }
}

function clockOf({ clock }: Ctx): ClockType {
  return Object.assign(new ClockType(), { now: clock.now(), isSandbox: clock instanceof SandboxClock });
}
