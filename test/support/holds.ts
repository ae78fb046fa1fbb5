import {
  type HoldRowFragment,
  LiftHoldDocument,
  type LiftHoldMutation,
  PlaceHoldDocument,
  type PlaceHoldInput,
  type PlaceHoldMutation,
} from "../../operations/generated/operations.ts";
import type { SignedInPerson } from "./people.ts";

/** Places a hold and returns whatever is answered; for a year on appeal if nothing else is said. */
export async function tryHold(person: SignedInPerson, targetId: string, hold: Partial<PlaceHoldInput> = {}): Promise<PlaceHoldMutation["placeHold"]> {
  const input: PlaceHoldInput = { targetId, reason: "APPEAL", until: "2027-03-02T09:00:00.000Z", ...hold };
  return (await person.client.run(PlaceHoldDocument, { input })).placeHold;
}

/** Places a hold that must be taken, and returns its id. */
export async function placeHold(person: SignedInPerson, targetId: string, hold: Partial<PlaceHoldInput> = {}): Promise<string> {
  return heldBy(await tryHold(person, targetId, hold)).id;
}

/** Lifts a hold and returns whatever is answered. */
export async function tryLift(person: SignedInPerson, holdId: string): Promise<LiftHoldMutation["liftHold"]> {
  return (await person.client.run(LiftHoldDocument, { input: { holdId } })).liftHold;
}

/** Lifts a hold, which must be possible. */
export async function liftHold(person: SignedInPerson, holdId: string): Promise<HoldRowFragment> {
  return heldBy(await tryLift(person, holdId));
}

function heldBy(answer: PlaceHoldMutation["placeHold"] | LiftHoldMutation["liftHold"]): HoldRowFragment {
  if (!("hold" in answer)) throw new Error(`The hold was refused: ${answer.code}`);
  return answer.hold;
}
