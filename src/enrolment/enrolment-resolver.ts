import { Arg, Ctx as Context, Field, InputType, Mutation, ObjectType, Resolver } from "type-graphql";
import { Account } from "../accounts/account.ts";
import { type Ctx, signedIn } from "../context.ts";
import { orProblem, resultOf } from "../graphql/mutation-result.ts";
import { Language } from "../mailer/language.ts";
import { Mailbox } from "../mailboxes/mailbox.ts";
import { attachAddress } from "./attach-address.ts";
import { enrol } from "./enrol.ts";
import { requestValidation } from "./request-validation.ts";
import { validateAddress } from "./validate-address.ts";

@InputType({ description: "From which notice somebody comes." })
class RequestValidationInput {
  @Field(() => String, { description: "What stands behind `?notice=` in the notice's link. It says which address may be validated, and opens nothing." })
  noticeToken!: string;
}

@ObjectType({ description: "The address that the notice went to gets a mail with a code and a link. The answer is the same if there is no such notice." })
class RequestValidationPayload {
  @Field(() => Date, { description: "Until when code and link are good." })
  expiresAt!: Date;
}

@InputType({ description: "The code with the notice's token, or the `token` of the link." })
class ValidateAddressInput {
  @Field(() => String, { nullable: true, description: "The notice's token; goes with `code`." })
  noticeToken!: string | null;

  @Field(() => String, { nullable: true, description: "The eight digits of the mail. Five wrong ones void code and link." })
  code!: string | null;

  @Field(() => String, {
    nullable: true,
    description: "What stands behind `#token=` in the mail's link. Send it only when somebody has pressed a button: mail scanners open links.",
  })
  token!: string | null;
}

@ObjectType({ description: "Whoever asks reads this address." })
class ValidateAddressPayload {
  @Field(() => String, { description: "For `enrol` or `attachAddress`, once." })
  enrolmentToken!: string;

  @Field(() => Date, { description: "Until when that can be done." })
  expiresAt!: Date;

  @Field(() => String, { description: "The address." })
  address!: string;

  @Field(() => Boolean, { description: "Whether it belongs to an account already. Then sign in there: an address is enrolled once." })
  hasAccount!: boolean;
}

@InputType({ description: "What somebody chooses at their first visit." })
class EnrolInput {
  @Field(() => String, { description: "What `validateAddress` answered." })
  enrolmentToken!: string;

  @Field(() => String, {
    description:
      "What is typed to sign in: 3 to 64 letters a to z, digits and . _ - @ +, upper and lower case being the same. With an @ only the address itself. USER_ID_TAKEN if somebody has it.",
  })
  userId!: string;

  @Field(() => String, { description: "15 characters or more, at most 1,024 bytes, not easily guessed; WEAK_PASSWORD says what to do." })
  password!: string;

  @Field(() => String, { description: "The name that others shall see; at most 100 characters." })
  displayName!: string;

  @Field(() => Language, { description: "The language to be written to in." })
  language!: Language;

  @Field(() => String, { nullable: true, description: "Words by which to know that a mail is ours; at most 100 characters. Nobody else sees them." })
  personalPhrase!: string | null;
}

@ObjectType({ description: "The account is there, with the mail that waited, and a session has begun, as by `signIn`." })
class EnrolPayload {
  @Field(() => String, {
    description: "Send it as `Authorization: Bearer <token>`, or as `authorization` in the WebSocket's `connection_init`. Shown only here.",
  })
  token!: string;

  @Field(() => Date, { description: "When the session ends at the latest; earlier if it is unused for too long." })
  expiresAt!: Date;

  @Field(() => Account, { description: "Who is signed in now." })
  account!: Account;
}

@InputType({ description: "Which address to attach." })
class AttachAddressInput {
  @Field(() => String, { description: "What `validateAddress` answered." })
  enrolmentToken!: string;
}

@ObjectType({ description: "The address is one more of the viewer's." })
class AttachAddressPayload {
  @Field(() => Mailbox, { description: "Its mailbox, with the mail that waited." })
  mailbox!: Mailbox;
}

const RequestValidationResult = resultOf("RequestValidation", RequestValidationPayload);
const ValidateAddressResult = resultOf("ValidateAddress", ValidateAddressPayload);
const EnrolResult = resultOf("Enrol", EnrolPayload);
const AttachAddressResult = resultOf("AttachAddress", AttachAddressPayload);

@Resolver()
export class EnrolmentResolver {
  @Mutation(() => RequestValidationResult, {
    description: "Asks for a code at the address that a notice went to. A random, an old and a real notice get one answer in one time.",
  })
  async requestValidation(@Context() ctx: Ctx, @Arg("input", () => RequestValidationInput, { description: "Which notice." }) input: RequestValidationInput) {
    return orProblem(ctx, async () => Object.assign(new RequestValidationPayload(), { expiresAt: await requestValidation(ctx, input) }));
  }

  @Mutation(() => ValidateAddressResult, {
    description: "Proves by code or link, once, that an address is read. Whatever is wrong with them is INVALID_CODE, in one time.",
  })
  async validateAddress(@Context() ctx: Ctx, @Arg("input", () => ValidateAddressInput, { description: "Code or link." }) input: ValidateAddressInput) {
    const { noticeToken = null, code = null, token = null } = input;
    return orProblem(ctx, async () => Object.assign(new ValidateAddressPayload(), await validateAddress(ctx, { noticeToken, code, token })));
  }

  @Mutation(() => EnrolResult, {
    description: "Makes the account of whoever validated an address, and signs in. There is no other way to register. An address is enrolled once.",
  })
  async enrol(@Context() ctx: Ctx, @Arg("input", () => EnrolInput, { description: "What was chosen." }) input: EnrolInput) {
    const { personalPhrase = null } = input;
    return orProblem(ctx, async () => Object.assign(new EnrolPayload(), await enrol(ctx, { ...input, personalPhrase })));
  }

  @Mutation(() => AttachAddressResult, { description: "Makes a validated address one more of the viewer's. For external people." })
  async attachAddress(@Context() ctx: Ctx, @Arg("input", () => AttachAddressInput, { description: "Which address." }) input: AttachAddressInput) {
    return orProblem(ctx, async () => Object.assign(new AttachAddressPayload(), { mailbox: await attachAddress(signedIn(ctx), input) }));
  }
}
