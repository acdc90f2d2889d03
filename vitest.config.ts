import { cloudflareTest } from "@cloudflare/vitest-plugin";
import { defineConfig } from "vitest/config";
import { SERVICE_KEYS, SESSION_SECRETS } from "./test/setup/session-secrets.ts";
import { SCOPES } from "./workers/auth/service.ts";

/** Tests that start the whole service, each with processes of its own: one file after the other. */
const SERVICE_TESTS = [
  "test/dev/**/*.test.ts",
  "test/browser/**/*.test.ts",
  "test/faults/**/*.test.ts",
  "test/runtimes/**/*.test.ts",
];
const WORKERD_TESTS = ["test/workerd/**/*.test.ts"];
const DEPENDENCIES = "**/node_modules/**";

/** Only a defect takes as long. */
const PATIENCE = { testTimeout: 180_000, hookTimeout: 180_000, expect: { poll: { timeout: 60_000 } } };

export default defineConfig({
  test: {
    globalSetup: ["test/setup/postgres.ts", "test/setup/jwks.ts", "test/setup/sessions.ts"],
    projects: [
      {
        test: {
          name: "node",
          include: ["**/*.test.{ts,tsx}"],
          exclude: [DEPENDENCIES, ...WORKERD_TESTS, ...SERVICE_TESTS],
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
          ...PATIENCE,
        },
      },
      {
        plugins: [
          cloudflareTest(({ inject }) => ({
            wrangler: { configPath: "./wrangler.toml" },
            miniflare: {
              bindings: {
                ENVIRONMENT: "development",
                DATABASE_URL: inject("databaseUrl"),
                NEON_FETCH_ENDPOINT: inject("neonFetchEndpoint"),
                CHAT_TOKEN_SECRET: "a secret of the tests, at least 32 characters",
                ALLOWED_ORIGINS: "https://app.example.com",
                AUTH_SECRET: SESSION_SECRETS.current,
                AUTH_SECRET_1: SESSION_SECRETS.previous,
                NEXTAUTH_SECRET: SESSION_SECRETS.v4,
                SERVICE_KEYS: JSON.stringify([
                  { name: "all", key: SERVICE_KEYS.all, scopes: SCOPES },
                  { name: "none", key: SERVICE_KEYS.none, scopes: ["none"] },
                  { name: "reader", key: SERVICE_KEYS.reader, scopes: ["messages:read"] },
                ]),
              },
            },
          })),
        ],
        test: {
          name: "workerd",
          include: WORKERD_TESTS,
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: "service",
          include: SERVICE_TESTS,
          exclude: [DEPENDENCIES],
          maxWorkers: 1,
          sequence: { groupOrder: 2 },
          ...PATIENCE,
        },
      },
    ],
  },
});
