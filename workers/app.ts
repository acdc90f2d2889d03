import { Hono } from "hono";
import { cors } from "hono/cors";
import { secureHeaders } from "hono/secure-headers";
import type { AppEnv } from "./context.ts";
import { readSettings } from "./env.ts";
import { authenticated } from "./middleware/authenticated.ts";
import { handleError, handleNotFound } from "./middleware/errors.ts";
import { requestLog } from "./middleware/request-log.ts";
import { requireSettings } from "./middleware/settings.ts";
import { limitBody } from "./middleware/validated.ts";
import { authRoutes } from "./routes/auth.ts";
import { conversationRoutes } from "./routes/conversations.ts";
import { messageRoutes } from "./routes/messages.ts";
import { pageRoutes } from "./routes/page.ts";
import { participantRoutes } from "./routes/participants.ts";
import { socketRoutes } from "./routes/sockets.ts";
import { statusRoutes } from "./routes/status.ts";

const rest = new Hono<AppEnv>()
  .use(requireSettings(), authenticated(), limitBody())
  .route("/auth", authRoutes)
  .route("/conversations", conversationRoutes)
  .route("/conversations", participantRoutes)
  .route("/conversations", messageRoutes);

const base = new Hono<AppEnv>();
base.onError(handleError);
base.notFound(handleNotFound);
base.use(requestLog());

/** The Worker's HTTP side. Middleware comes first, then routes in the order of the file names. */
export const app = base
  .route("/api", socketRoutes)
  .use(
    secureHeaders({
      xFrameOptions: "DENY",
      contentSecurityPolicy: {
        defaultSrc: ["'self'"],
        imgSrc: ["'self'", "https:", "data:"],
        connectSrc: ["'self'", "ws:", "wss:"],
        frameAncestors: ["'none'"],
        baseUri: ["'none'"],
        formAction: ["'none'"],
      },
    }),
  )
  .use(
    "/api/*",
    cors({
      origin: (origin, c) => {
        const read = readSettings(c.env);
        return read.ok && read.settings.ALLOWED_ORIGINS.includes(origin) ? origin : null;
      },
      allowHeaders: ["Authorization", "Content-Type"],
      exposeHeaders: ["X-Request-Id", "Retry-After"],
      maxAge: 86_400,
    }),
  )
  .route("/api", statusRoutes)
  .route("/api", rest)
  .route("/", pageRoutes);

/** Routes with their types, for `hc<AppType>`. */
export type AppType = typeof app;
