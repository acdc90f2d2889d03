import type { JWK } from "jose";

declare module "vitest" {
  interface ProvidedContext {
    /** Connection string of a PostgreSQL for this run, migrated. */
    databaseUrl: string;
    /** Where it speaks Neon's HTTP protocol. */
    neonFetchEndpoint: string;
    /** Where a host application's key set is served; with `/away` at its end, where it cannot be had. */
    jwksUrl: string;
    /** The private key to the one in the set. */
    signingKey: JWK;
  }
}
