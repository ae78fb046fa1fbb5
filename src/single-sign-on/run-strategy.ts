import { isNativeError } from "node:util/types";
import passport, { type Strategy } from "passport";

/** What a strategy decided: somebody is vouched for, the browser has to go somewhere first, or nobody is. */
export type Outcome<User> = { readonly user: User } | { readonly redirectTo: string } | null;

/** What passport makes: with a callback of our own it only reads the request, and a strategy may redirect. */
type Middleware = (request: object, response: object, next: (error: unknown) => void) => void;

const authenticator = new passport.Passport();

/**
 * Runs a passport strategy that may send the browser away, over a request of our own making. It is an object to us: each library
 * knows another Express, and none of them is here.
 */
export function runStrategy<User>(strategy: object, request: object): Promise<Outcome<User>> {
  return new Promise((resolve, reject) => {
    const fail = (error: unknown): void => reject(isNativeError(error) ? error : new Error("A strategy failed"));
    const decide = (error: unknown, user?: User | false): void => {
      if (error) fail(error);
      else resolve(user ? { user } : null);
    };
    let redirectTo = "";
    const response = {
      setHeader(name: string, value: string) {
        if (name === "Location") redirectTo = value;
      },
      end: () => resolve({ redirectTo }),
    };
    const runnable: Strategy = Object.create(strategy); // As passport itself does
    const middleware: Middleware = authenticator.authenticate(runnable, { session: false }, decide);
    middleware(request, response, fail);
  });
}
