import { GraphQLJSONObject } from "graphql-scalars";
import { Field, InputType } from "type-graphql";
import { ProblemCode, refuse } from "../problem.ts";
import type { SecondFactor } from "./check-second-factor.ts";
import type { PasskeyAnswer } from "./use-passkey.ts";

@InputType({ description: "What a browser answered to `beginPasskeySignIn`." })
export class PasskeyAnswerInput implements PasskeyAnswer {
  @Field(() => String, { description: "The `challengeId` that came with the options." })
  challengeId!: string;

  @Field(() => GraphQLJSONObject, { description: "What `navigator.credentials.get()` gave, by its `toJSON()`." })
  response!: object;
}

@InputType({ description: "A second factor: exactly one of these." })
export class SecondFactorInput {
  @Field(() => String, { nullable: true, description: "The six digits that the authenticator app shows. Each code is good once." })
  totp?: string | null;

  @Field(() => String, { nullable: true, description: "One of the recovery codes; case, spaces and dashes make no difference. Each is good once." })
  recoveryCode?: string | null;

  @Field(() => PasskeyAnswerInput, { nullable: true, description: "A passkey of this account, asked for by `beginPasskeySignIn`." })
  passkey?: PasskeyAnswerInput | null;
}

/** The one factor that is given; null if the input is left out. */
export function secondFactorIn(input: SecondFactorInput | null | undefined): SecondFactor | null {
  if (input == null) return null;
  const { totp, recoveryCode, passkey } = input;
  const given: SecondFactor[] = [];
  if (totp != null) given.push({ totp });
  if (recoveryCode != null) given.push({ recoveryCode });
  if (passkey != null) given.push({ passkey });
  const [only, ...others] = given;
  if (only === undefined || others.length > 0)
    refuse(ProblemCode.INVALID_INPUT, "Give exactly one second factor: totp, recoveryCode or passkey.", { field: "secondFactor" });
  return only;
}
