import type { AuthenticationResponseJSON, RegistrationResponseJSON } from "@simplewebauthn/server";

const MOST_CHARACTERS = 65_536;

/** A registration as a browser's `PublicKeyCredential.toJSON()` gives it, and no more of it than we use; null for anything else. */
export function registrationIn(answer: unknown): RegistrationResponseJSON | null {
  const id = textAt(answer, "id");
  const response = at(answer, "response");
  const clientDataJSON = textAt(response, "clientDataJSON");
  const attestationObject = textAt(response, "attestationObject");
  if (id === null || clientDataJSON === null || attestationObject === null) return null;
  return { ...credential(id), response: { clientDataJSON, attestationObject, transports: textsAt(response, "transports") } };
}

/** An assertion as a browser's `PublicKeyCredential.toJSON()` gives it, and no more of it than we use; null for anything else. */
export function assertionIn(answer: unknown): AuthenticationResponseJSON | null {
  const id = textAt(answer, "id");
  const response = at(answer, "response");
  const clientDataJSON = textAt(response, "clientDataJSON");
  const authenticatorData = textAt(response, "authenticatorData");
  const signature = textAt(response, "signature");
  const userHandle = textAt(response, "userHandle");
  if (id === null || clientDataJSON === null || authenticatorData === null || signature === null) return null;
  return { ...credential(id), response: { clientDataJSON, authenticatorData, signature, ...(userHandle !== null && { userHandle }) } };
}

function credential(id: string) {
  return { id, rawId: id, type: "public-key" as const, clientExtensionResults: {} };
}

function at(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;
}

function textAt(value: unknown, name: string): string | null {
  const text = at(value, name);
  return typeof text === "string" && text.length <= MOST_CHARACTERS ? text : null;
}

/** Short words only, as `usb` or `internal`. */
function textsAt(value: unknown, name: string): string[] {
  const texts = at(value, name);
  return Array.isArray(texts) ? texts.filter((text): text is string => typeof text === "string" && /^[a-z-]{1,20}$/.test(text)).slice(0, 10) : [];
}
