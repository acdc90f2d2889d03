import type { JWK } from "jose";

declare module "vitest" {
  interface ProvidedContext {
    /** Connection string of a PostgreSQL for this run, migrated. */
    databaseUrl: string;
    /** Where it speaks Neon's HTTP protocol. */
    neonFetchEndpoint: string;
    /** Where a host application's key set is served; with `/away` at its end, where it cannot be had. */
    jwksUrl: string;
    /** Sessions made by the packages of Auth.js themselves. */
    sessions: {
      user: { sub: string; name: string; picture: string };
      v5: string;
      v5Secure: string;
      v5Previous: string;
      v5Unknown: string;
      v5Expired: string;
      v4: string;
      v4Unknown: string;
      v4Expired: string;
      /** A `Cookie` header after signing in with a session too long for one cookie. */
      chunkedCookies: string;
    };
    /** The private key to the one in the set. */
    signingKey: JWK;
  }
}
