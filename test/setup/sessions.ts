import { Auth, type AuthConfig } from "@auth/core";
import Credentials from "@auth/core/providers/credentials";
import { encode as encodeV4 } from "next-auth-v4/jwt";
import { encode as encodeV5 } from "next-auth-v5/jwt";
import type { TestProject } from "vitest/node";
import { SESSION_SECRETS } from "./session-secrets.ts";

const USER = { sub: "user-of-auth.js", name: "김하늘", picture: "https://img.example.com/1" };
const V5_NAMES = ["authjs.session-token", "__Secure-authjs.session-token"];

/** Sessions as the real packages make them: nothing here knows how. */
export default async function setup(project: TestProject): Promise<void> {
  const { current, previous, unknown, v4 } = SESSION_SECRETS;
  const v5 = (name: string, secret: string, maxAge?: number) =>
    encodeV5({ token: USER, secret, salt: name, ...(maxAge === undefined ? {} : { maxAge }) });
  const [name = "", secureName = ""] = V5_NAMES;
  project.provide("sessions", {
    user: USER,
    v5: await v5(name, current),
    v5Secure: await v5(secureName, current),
    v5Previous: await v5(name, previous),
    v5Unknown: await v5(name, unknown),
    v5Expired: await v5(name, current, -60),
    v4: await encodeV4({ token: USER, secret: v4 }),
    v4Unknown: await encodeV4({ token: USER, secret: unknown }),
    v4Expired: await encodeV4({ token: USER, secret: v4, maxAge: -60 }),
    chunkedCookies: await signIn(current),
  });
}

/** Signs in at a real Auth.js whose session is too long for one cookie. @returns the cookies it sets */
async function signIn(secret: string): Promise<string> {
  const config: AuthConfig = {
    secret,
    trustHost: true,
    basePath: "/auth",
    providers: [Credentials({ credentials: {}, authorize: () => ({ id: USER.sub, name: USER.name }) })],
    callbacks: { jwt: ({ token }) => ({ ...token, permissions: "read write ".repeat(800) }) },
  };
  const url = "https://app.example.com/auth";
  const csrf = await Auth(new Request(`${url}/csrf`), config);
  const { csrfToken } = (await csrf.json()) as { csrfToken: string };
  const signedIn = await Auth(
    new Request(`${url}/callback/credentials`, {
      method: "POST",
      headers: { cookie: cookiesOf(csrf), "content-type": "application/x-www-form-urlencoded" },
      body: new URLSearchParams({ csrfToken }),
    }),
    config,
  );
  return cookiesOf(signedIn);
}

const cookiesOf = (response: Response): string =>
  response.headers
    .getSetCookie()
    .map((cookie) => cookie.split(";", 1)[0])
    .join("; ");
