import { Arg, Args, ArgsType, Ctx as Context, Field, FieldResolver, Int, Query, Resolver, Root } from "type-graphql";
import { Account, accountByKey } from "../accounts/account.ts";
import { asAdministrator, type Ctx } from "../context.ts";
import type { Connection } from "../graphql/connection.ts";
import { AuditAction, AuditEvent, AuditEventConnection, AuditFilter, isAction } from "./audit-event.ts";
import { type AuditPage, auditEventsPage, auditSealsPage } from "./audit-queries.ts";
import { type AuditSeal, AuditSealConnection } from "./audit-seal.ts";

@ArgsType()
class AuditArgs implements AuditPage {
  @Field(() => Int, { nullable: true, description: "How many to return from the start, or from `after`: 1 to 100, 25 if not given." })
  first?: number | null;

  @Field(() => String, { nullable: true, description: "Return what follows the edge with this cursor." })
  after?: string | null;
}

@Resolver(() => AuditEvent)
export class AuditResolver {
  @Query(() => AuditEventConnection, {
    nullable: true,
    description:
      "What happened, newest first; for administrators, FORBIDDEN for everybody else. Looking at it is recorded, too. `GET /audit/events` exports it.",
  })
  async auditEvents(
    @Context() ctx: Ctx,
    @Arg("filter", () => AuditFilter, { nullable: true, description: "Which events to show." }) filter: AuditFilter | null | undefined,
    @Args(() => AuditArgs) args: AuditArgs,
  ): Promise<Connection<AuditEvent>> {
    return auditEventsPage(asAdministrator(ctx), filter, args);
  }

  @Query(() => AuditSealConnection, { nullable: true, description: "The seals of the ledger, newest first; for administrators, FORBIDDEN for everybody else." })
  async auditSeals(@Context() ctx: Ctx, @Args(() => AuditArgs) args: AuditArgs): Promise<Connection<AuditSeal>> {
    return auditSealsPage(asAdministrator(ctx), args);
  }

  @FieldResolver(() => AuditAction, { nullable: true, description: "What happened; null if this version of the server does not know it." })
  action(@Root() { action }: AuditEvent): string | null {
    return isAction(action) ? action : null;
  }

  @FieldResolver(() => Account, { nullable: true, description: "Who did it; null if the server did." })
  async actor(@Context() ctx: Ctx, @Root() { actorId }: AuditEvent): Promise<Account | null> {
    return (actorId === null ? null : await accountByKey.load(asAdministrator(ctx), actorId)) ?? null;
  }
}
