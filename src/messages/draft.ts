import { Field, ObjectType } from "type-graphql";
import { Column, Entity, PrimaryColumn } from "typeorm";
import type { NodeKind } from "../graphql/node-id.ts";
import { Node } from "../graphql/node.ts";
import type { Opener } from "../vault/seal.ts";
import { MessageBody } from "./message-body.ts";
import { Priority } from "./message.ts";

/** What is sealed about a draft: all of what was typed, right or wrong. */
export interface DraftContent {
  readonly to: string[];
  readonly cc: string[];
  readonly subject: string;
  readonly body: { text: string; html: string | null };
  readonly priority: Priority;
}

/** A message that is not sent yet. Sending consumes it. */
@Entity("drafts")
@ObjectType({
  implements: Node,
  description: "A message that is not sent yet: kept as it was typed, addresses unchecked. Sending consumes it; untouched for 180 days it is deleted.",
})
export class Draft extends Node {
  @PrimaryColumn("uuid", { name: "mailbox_id" })
  mailboxId!: string;

  @PrimaryColumn("uuid", { name: "id" })
  uuid!: string;

  protected override get nodeKey(): [NodeKind, string, string] {
    return ["Draft", this.mailboxId, this.uuid];
  }

  @Column("uuid", { name: "author_id" })
  authorId!: string;

  /** The copy it answers. */
  @Column("uuid", { name: "reply_to", nullable: true })
  replyToId!: string | null;

  /** The copy it passes on. */
  @Column("uuid", { name: "forward_of", nullable: true })
  forwardOfId!: string | null;

  @Column("timestamptz", { name: "created_at" })
  createdAt!: Date;

  @Column("timestamptz", { name: "saved_at" })
  @Field(() => Date, { description: "When it was last saved." })
  savedAt!: Date;

  @Column("timestamptz", { name: "expires_at" })
  @Field(() => Date, { description: "When it is deleted unless it is saved again." })
  expiresAt!: Date;

  /** The sealed DraftContent. */
  @Column("bytea")
  content!: Buffer;

  @Field(() => [String], { description: "Whom it shall go to, as typed." })
  get to(): string[] {
    return this.words.to;
  }

  @Field(() => [String], { description: "Who shall get a copy, as typed." })
  get cc(): string[] {
    return this.words.cc;
  }

  @Field(() => String, { description: "Its subject." })
  get subject(): string {
    return this.words.subject;
  }

  @Field(() => MessageBody, { description: "What it says so far." })
  get body(): MessageBody {
    return this.words.body;
  }

  @Field(() => Priority, { description: "How urgent it shall be." })
  get priority(): Priority {
    return this.words.priority;
  }

  /** Has the key of its content. */
  opener!: Opener;
  #words: DraftContent | undefined;

  private get words(): DraftContent {
    return (this.#words ??= this.opener.open<DraftContent>({ id: this.uuid, field: "draft" }, this.content));
  }
}
