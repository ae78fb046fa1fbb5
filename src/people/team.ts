import { Field, ID, ObjectType } from "type-graphql";
import { encodeId } from "../graphql/node-id.ts";
import { nameOfMailbox } from "../mailboxes/mailbox.ts";
import { HolderRole } from "../mailboxes/mailbox-holder.ts";
import type { DataKey } from "../vault/seal.ts";

/** A team's mailbox as administrators see it: who works it, and nothing of its mail. */
@ObjectType({ description: "A team's mailbox as administrators see it: who works it, and nothing of its mail." })
export class Team {
  uuid!: string;
  name!: Buffer | null;
  directory!: DataKey;

  @Field(() => ID, { description: "The id of its mailbox." })
  get mailboxId(): string {
    return encodeId("Mailbox", this.uuid);
  }

  @Field(() => String, { description: "Its e-mail address." })
  address!: string;

  @Field(() => String, { description: "The name others see." })
  get displayName(): string {
    return nameOfMailbox(this.directory, this);
  }
}

/** Somebody who works a team's mailbox. */
@ObjectType({ description: "Somebody who works a team's mailbox." })
export class TeamMember {
  accountId!: string;

  @Field(() => HolderRole, { description: "What they may do in it." })
  role!: HolderRole;

  @Field(() => Date, { nullable: true, description: "When it ends by itself; null if it does not." })
  until!: Date | null;
}
