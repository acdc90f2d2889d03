import type { MiddlewareHandler } from "hono";
import { refuse } from "../../protocol/errors.ts";
import type { AppContext, AppEnv } from "../context.ts";
import type { Env } from "../env.ts";
import { errorResponse } from "./errors.ts";

/** The limits of `wrangler.toml`, each counted apart. A binding that is missing limits nothing. */
export type LimitName = "ADDRESS_LIMIT" | "USER_LIMIT" | "FAILURE_LIMIT";

/** `period` of every limit in `wrangler.toml`, milliseconds: within it there is room again. */
export const LIMIT_PERIOD_MS = 10_000;

/** Limits all requests of one address, before anything else is asked about them. */
export const limitAddress = (): MiddlewareHandler<AppEnv> => async (c, next) => {
  // An upgrade is answered by a close code, and limited where that is done.
  const isUpgrade = c.req.header("Upgrade") !== undefined;
  if (!isUpgrade && (await isLimited(c.env, "ADDRESS_LIMIT", addressOf(c)))) return tooMany(c);
  await next();
};

/** Limits the requests of one user, or of one service. */
export const limitUser = (): MiddlewareHandler<AppEnv> => async (c, next) => {
  const service = c.get("service");
  const key = service ? `service ${service.name}` : `user ${c.get("identity").userId}`;
  if (!service && (await isLimited(c.env, "USER_LIMIT", key))) return tooMany(c);
  await next();
};

/** Where a request comes from: an IPv4 address, or the network of an IPv6 one, which is one household's. */
export function addressOf(c: AppContext): string | null {
  const address = c.req.header("CF-Connecting-IP");
  if (address === undefined) return null;
  return address.includes(":") ? networkOf(address) : address;
}

/** Whether there were too many of this key. What has no key is not limited, and neither is anything while that fails. */
export async function isLimited(env: Env, name: LimitName, key: string | null): Promise<boolean> {
  const limit = env[name];
  if (!limit || key === null) return false;
  try {
    return !(await limit.limit({ key })).success;
  } catch {
    return false;
  }
}

/** Answers that it was too much, and when there is room again. */
export const tooMany = (c: AppContext): Response =>
  errorResponse(
    c,
    refuse("RATE_LIMITED", "Too many requests. Slow down.", { retry_after_ms: LIMIT_PERIOD_MS }).error,
  );

/** The first 64 bits of an IPv6 address. */
function networkOf(address: string): string {
  const [head = "", tail] = address.toLowerCase().split("::");
  const groups = head === "" ? [] : head.split(":");
  const missing = tail === undefined ? 0 : 8 - groups.length - (tail === "" ? 0 : tail.split(":").length);
  const first = [...groups, ...Array<string>(Math.max(0, missing)).fill("0"), ...(tail?.split(":") ?? [])];
  return `${first
    .slice(0, 4)
    .map((group) => group.replace(/^0+(?=.)/, ""))
    .join(":")}::/64`;
}
