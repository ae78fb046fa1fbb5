import { Field, ObjectType, registerEnumType } from "type-graphql";
import { Column, Entity, PrimaryColumn } from "typeorm";
import { type Ctx, Loader } from "../context.ts";
import type { NodeKind } from "../graphql/node-id.ts";
import { Node } from "../graphql/node.ts";
import { Language } from "../mailer/language.ts";
import type { DataKey } from "../vault/seal.ts";

/** What somebody is to the organisation. */
export enum AccountKind {
  MEMBER = "MEMBER",
  PROVIDER = "PROVIDER",
  BROKER = "BROKER",
  EMPLOYER = "EMPLOYER",
  EMPLOYEE = "EMPLOYEE",
  ADMINISTRATOR = "ADMINISTRATOR",
}

registerEnumType(AccountKind, {
  name: "AccountKind",
  description: "What somebody is to the organisation. All but employees and administrators are external people.",
  valuesConfig: {
    MEMBER: { description: "Somebody insured." },
    PROVIDER: { description: "A doctor, hospital or laboratory." },
    BROKER: { description: "A broker or an agency." },
    EMPLOYER: { description: "An employer that insures its people." },
    EMPLOYEE: { description: "Somebody who works for the organisation; may write to anyone." },
    ADMINISTRATOR: { description: "An employee who also runs the system." },
  },
});

/** Whether an account of this kind belongs to the organisation. */
export function isEmployeeKind(kind: AccountKind): boolean {
  return kind === AccountKind.EMPLOYEE || kind === AccountKind.ADMINISTRATOR;
}

/** What an account of this kind may be more than an external person. */
export function rolesOf(kind: AccountKind): { isEmployee: boolean; isAdministrator: boolean } {
  return { isEmployee: isEmployeeKind(kind), isAdministrator: kind === AccountKind.ADMINISTRATOR };
}

/** A user ID as it is kept: upper and lower case are the same, and so are spaces around it. */
export function normaliseUserId(userId: string): string {
  return userId.trim().toLowerCase();
}

/** Somebody who can sign in. */
@Entity("accounts")
@ObjectType({ implements: Node, description: "Somebody who can sign in. Only its owner and administrators can see it." })
export class Account extends Node {
  @PrimaryColumn("uuid", { name: "id" })
  uuid!: string;

  protected override get nodeKey(): [NodeKind, string] {
    return ["Account", this.uuid];
  }

  @Column("text", { name: "user_id" })
  @Field(() => String, { description: "What is typed to sign in; lower case, not necessarily an address." })
  userId!: string;

  /** Null where there is no password to sign in with. */
  @Column("text", { name: "password_hash", nullable: true })
  passwordHash!: string | null;

  /** Whether the password is good only beside a second factor. */
  @Column("boolean", { name: "password_needs_factor" })
  passwordNeedsFactor!: boolean;

  @Column("text")
  @Field(() => AccountKind, { description: "What this person is to the organisation." })
  kind!: AccountKind;

  /** The sealed display name. */
  @Column("bytea")
  name!: Buffer;

  /** Opens the name. */
  directory!: DataKey;

  @Field(() => String, { description: "The name others see." })
  get displayName(): string {
    return this.directory.open<string>({ id: this.uuid, field: "name" }, this.name);
  }

  @Column("text")
  @Field(() => String, { description: "The e-mail address of this person's own mailbox." })
  address!: string;

  @Column("text")
  @Field(() => Language, { description: "The language this person is written to in." })
  language!: Language;

  /** The sealed personal phrase. */
  @Column("bytea", { nullable: true })
  phrase!: Buffer | null;

  /** The words by which its owner knows our mail; nobody else sees them. Null where none were chosen. */
  get personalPhrase(): string | null {
    return this.phrase && this.directory.open<string>({ id: this.uuid, field: "phrase" }, this.phrase);
  }
  /** Since when this account has a second factor; null while a password alone signs in. */
  @Column("timestamptz", { name: "second_factor_at", nullable: true })
  secondFactorAt!: Date | null;

  @Column("timestamptz", { name: "created_at" })
  createdAt!: Date;

  @Column("timestamptz", { name: "last_signed_in_at", nullable: true })
  @Field(() => Date, { nullable: true, description: "When this account last signed in." })
  lastSignedInAt!: Date | null;

  @Column("timestamptz", { name: "previous_sign_in_at", nullable: true })
  @Field(() => Date, {
    nullable: true,
    description: "When this account had signed in before that: what to show as the last sign-in to somebody who just did. Null the first time.",
  })
  previousSignInAt!: Date | null;

  @Column("timestamptz", { name: "disabled_at", nullable: true })
  disabledAt!: Date | null;
}

/** The words by which an account's owner knows our mail, from its row alone; null where none were chosen. */
export async function phraseOf(ctx: Ctx, { uuid, phrase }: Pick<Account, "uuid" | "phrase">): Promise<string | null> {
  return phrase && (await ctx.dataKeys.directory()).open<string>({ id: uuid, field: "phrase" }, phrase);
}

/** Accounts by their key; undefined where there is none. */
export const accountByKey = new Loader<string, Account | undefined>(async (ctx, keys) => {
  const accounts = await ctx.db.manager.createQueryBuilder(Account, "account").where("account.uuid in (:...keys)", { keys }).getMany();
  const directory = await ctx.dataKeys.directory();
  const found = new Map(accounts.map((account) => [account.uuid, Object.assign(account, { directory })]));
  return keys.map((key) => found.get(key));
});
