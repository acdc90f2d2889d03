import { Hono } from "hono";
import type { AppEnv } from "./context.ts";
import { authenticated } from "./middleware/authenticated.ts";
import { handleError, handleNotFound } from "./middleware/errors.ts";
import { allowedOrigins, secureHeadersExceptUpgrades } from "./middleware/headers.ts";
import { limitAddress, limitUser } from "./middleware/rate-limit.ts";
import { requestLog } from "./middleware/request-log.ts";
import { requireSettings } from "./middleware/settings.ts";
import { limitBody } from "./middleware/validated.ts";
import { authRoutes } from "./routes/auth.ts";
import { conversationRoutes } from "./routes/conversations.ts";
import { documentRoutes } from "./routes/documents.ts";
import { messageRoutes } from "./routes/messages.ts";
import { pageRoutes } from "./routes/page.ts";
import { participantRoutes } from "./routes/participants.ts";
import { searchRoutes } from "./routes/search.ts";
import { settingsRoutes } from "./routes/settings.ts";
import { socketRoutes } from "./routes/sockets.ts";
import { statusRoutes } from "./routes/status.ts";

const rest = new Hono<AppEnv>()
  .use(requireSettings(), authenticated(), limitUser(), limitBody())
  .route("/auth", authRoutes)
  .route("/conversations", conversationRoutes)
  .route("/conversations", participantRoutes)
  .route("/conversations", messageRoutes)
  .route("/settings", settingsRoutes)
  .route("/", searchRoutes);

const base = new Hono<AppEnv>();
base.onError(handleError);
base.notFound(handleNotFound);
base.use(requestLog());

/** The Worker's HTTP side. Middleware comes first, then routes in the order of the file names. */
export const app = base
  .use(
    secureHeadersExceptUpgrades({
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
  .use("/api/*", allowedOrigins(), limitAddress())
  .route("/api", socketRoutes)
  .route("/api", statusRoutes)
  .route(
    "/api",
    documentRoutes(() => base.routes),
  )
  .route("/api", rest)
  .route("/", pageRoutes);

/** Routes with their types, for `hc<AppType>`. */
export type AppType = typeof app;
