import { z } from "zod";
import { LIMITS } from "../protocol/limits.ts";
import { serviceKeys } from "./auth/service.ts";

/** Bindings and settings as the platform hands them over. */
export interface Env {
  CONVERSATIONS: DurableObjectNamespace;
  INBOXES: DurableObjectNamespace;
  ASSETS?: Fetcher;
  ADDRESS_LIMIT?: RateLimit;
  USER_LIMIT?: RateLimit;
  FAILURE_LIMIT?: RateLimit;
  ENVIRONMENT?: string;
  DATABASE_URL?: string;
  NEON_FETCH_ENDPOINT?: string;
  CHAT_TOKEN_SECRET?: string;
  AUTH_JWKS_URL?: string;
  AUTH_PUBLIC_KEY?: string;
  AUTH_ISSUER?: string;
  AUTH_AUDIENCE?: string;
  AUTH_SECRET?: string;
  AUTH_SECRET_1?: string;
  AUTH_SECRET_2?: string;
  AUTH_SECRET_3?: string;
  NEXTAUTH_SECRET?: string;
  SERVICE_KEYS?: string;
  ALLOWED_ORIGINS?: string;
  COMMANDS_PER_SECOND?: string;
  COMMAND_BURST?: string;
}

/** As Auth.js names them: the first one in use, and those it is rotated through. */
const sessionSecret = z.string().min(32, "must have at least 32 characters").optional();

const positive = z.coerce.number().positive();

const settingsSchema = z
  .object({
    ENVIRONMENT: z.enum(["development", "production"], 'must be "development" or "production"'),
    DATABASE_URL: z
      .string("is missing: put a Postgres connection string into it")
      .regex(
        /^postgres(ql)?:\/\/[^\s/]+@[^\s/]+\/\S+$/,
        "must look like postgresql://user:password@host/database",
      ),
    NEON_FETCH_ENDPOINT: z.url("must be a URL such as http://127.0.0.1:4444/sql").optional(),
    CHAT_TOKEN_SECRET: z.string().min(32, "must have at least 32 characters").optional(),
    AUTH_JWKS_URL: z.url("must be a URL").optional(),
    AUTH_PUBLIC_KEY: z
      .string()
      .startsWith("-----BEGIN PUBLIC KEY-----", "must be a PEM public key")
      .optional(),
    AUTH_ISSUER: z.string().min(1).optional(),
    AUTH_AUDIENCE: z.string().min(1).optional(),
    AUTH_SECRET: sessionSecret,
    AUTH_SECRET_1: sessionSecret,
    AUTH_SECRET_2: sessionSecret,
    AUTH_SECRET_3: sessionSecret,
    NEXTAUTH_SECRET: sessionSecret,
    SERVICE_KEYS: z
      .string()
      .default("[]")
      .transform((json, context): unknown => {
        try {
          return JSON.parse(json);
        } catch {
          context.addIssue({ code: "custom", message: 'must be JSON: [{ "name", "key", "scopes" }]' });
          return z.NEVER;
        }
      })
      .pipe(serviceKeys),
    ALLOWED_ORIGINS: z
      .string()
      .default("")
      .transform((list) => list.split(",").flatMap((origin) => origin.trim() || []))
      .pipe(z.array(z.url("must list origins such as https://app.example.com, separated by commas"))),
    COMMANDS_PER_SECOND: positive.default(LIMITS.commandsPerSecond),
    COMMAND_BURST: z.coerce.number().int().min(1).default(LIMITS.commandBurst),
  })
  .superRefine((settings, context) => {
    const hasKeys = settings.AUTH_JWKS_URL !== undefined || settings.AUTH_PUBLIC_KEY !== undefined;
    const hasSessions = [settings.NEXTAUTH_SECRET, ...sessionSecretsOf(settings)].some(Boolean);
    for (const name of ["AUTH_ISSUER", "AUTH_AUDIENCE"] as const) {
      if (hasKeys && settings[name] === undefined) {
        context.addIssue({
          code: "custom",
          path: [name],
          message: "is required with AUTH_JWKS_URL or AUTH_PUBLIC_KEY",
        });
      }
    }
    if (settings.AUTH_JWKS_URL !== undefined && settings.AUTH_PUBLIC_KEY !== undefined) {
      context.addIssue({
        code: "custom",
        path: ["AUTH_PUBLIC_KEY"],
        message: "cannot be combined with AUTH_JWKS_URL",
      });
    }
    const canSignIn = hasKeys || hasSessions || settings.CHAT_TOKEN_SECRET !== undefined;
    if (settings.ENVIRONMENT === "production" && !canSignIn) {
      context.addIssue({
        code: "custom",
        path: ["AUTH_SECRET"],
        message:
          "is missing, and so are NEXTAUTH_SECRET, AUTH_JWKS_URL, AUTH_PUBLIC_KEY and CHAT_TOKEN_SECRET: nobody could sign in",
      });
    }
  })
  .transform((settings) => ({ ...settings, sessionSecrets: sessionSecretsOf(settings) }));

function sessionSecretsOf(settings: {
  AUTH_SECRET?: string | undefined;
  AUTH_SECRET_1?: string | undefined;
  AUTH_SECRET_2?: string | undefined;
  AUTH_SECRET_3?: string | undefined;
}): string[] {
  const { AUTH_SECRET, AUTH_SECRET_1, AUTH_SECRET_2, AUTH_SECRET_3 } = settings;
  return [AUTH_SECRET, AUTH_SECRET_1, AUTH_SECRET_2, AUTH_SECRET_3].flatMap((secret) => secret ?? []);
}

/** Checked settings. */
export type Settings = z.infer<typeof settingsSchema>;

/** The settings, or one sentence for each that is missing or wrong. Values are never repeated in it. */
export function readSettings(env: Env): { ok: true; settings: Settings } | { ok: false; problems: string[] } {
  const parsed = settingsSchema.safeParse(env);
  if (parsed.success) return { ok: true, settings: parsed.data };
  const problems = parsed.error.issues.map(({ path, message }) => `${String(path[0])} ${message}.`);
  return { ok: false, problems: [...new Set(problems)] };
}
