import { Field, ObjectType, registerEnumType } from "type-graphql";
import { Column, Entity, PrimaryColumn } from "typeorm";
import type { NodeKind } from "../graphql/node-id.ts";
import { Node } from "../graphql/node.ts";
import { Device } from "./device.ts";

/** By what means somebody proved to be an account's owner. */
export enum SignInMethod {
  PASSWORD = "PASSWORD",
  PASSKEY = "PASSKEY",
  EMAIL_CODE = "EMAIL_CODE",
  SINGLE_SIGN_ON = "SINGLE_SIGN_ON",
}

registerEnumType(SignInMethod, {
  name: "SignInMethod",
  description: "By what means somebody proved to be an account's owner.",
  valuesConfig: {
    PASSWORD: { description: "User ID and password." },
    PASSKEY: { description: "A passkey (WebAuthn)." },
    EMAIL_CODE: { description: "A one-time code sent to the account's address." },
    SINGLE_SIGN_ON: { description: "The organisation's own identity provider." },
  },
});

/** One signing-in: known by a token of which only a hash is kept. */
@Entity("sessions")
@ObjectType({ implements: Node, description: "One signing-in, on one device or app. It ends when it is revoked, unused for too long, or at `expiresAt`." })
export class Session extends Node {
  @PrimaryColumn("uuid", { name: "id" })
  uuid!: string;

  protected override get nodeKey(): [NodeKind, string] {
    return ["Session", this.uuid];
  }

  @Column("uuid", { name: "account_id" })
  accountId!: string;

  @Column("bytea", { name: "token_hash" })
  tokenHash!: Buffer;

  @Column("text")
  @Field(() => String, { description: "What the browser or app called itself at sign-in; empty if it did not say." })
  client!: string;

  @Column("text")
  @Field(() => SignInMethod, { description: "By what means it was begun." })
  method!: SignInMethod;

  @Column("timestamptz", { name: "created_at" })
  @Field(() => Date, { description: "When it began." })
  createdAt!: Date;

  @Column("timestamptz", { name: "last_used_at" })
  @Field(() => Date, { description: "When it was last used, to the minute." })
  lastUsedAt!: Date;

  @Column("timestamptz", { name: "expires_at" })
  @Field(() => Date, { description: "When it ends at the latest." })
  expiresAt!: Date;

  @Column("timestamptz", { name: "revoked_at", nullable: true })
  revokedAt!: Date | null;

  @Column("uuid", { name: "device_id", nullable: true })
  deviceId!: string | null;

  @Field(() => Device, { nullable: true, description: "On which device it was begun; null where that is not known any more." })
  device!: Device | null;
  /** When whoever uses it last proved who they are; null for a session from before that was kept. */
  @Column("timestamptz", { name: "confirmed_at", nullable: true })
  confirmedAt!: Date | null;

  /** When they last did so with more than a password; null if they never did. */
  @Column("timestamptz", { name: "second_factor_at", nullable: true })
  secondFactorAt!: Date | null;

  @Field(() => Boolean, { description: "True for the session that asks." })
  isCurrent!: boolean;
}
