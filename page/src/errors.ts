import { ChatError, type ConversationState } from "../../client/index.ts";
import type { Words } from "./i18n.ts";

/** What a user can understand of an error. */
export function describeError(error: unknown, t: Words): string {
  const code = error instanceof ChatError ? error.code : "INTERNAL_ERROR";
  switch (code) {
    case "NETWORK_ERROR":
      return t.errorNetwork;
    case "RATE_LIMITED":
      return t.errorRateLimited;
    case "PAYLOAD_TOO_LARGE":
      return t.errorTooLarge;
    case "VALIDATION_FAILED":
    case "CONFLICT":
      return t.errorInvalid;
    case "FORBIDDEN":
      return t.errorForbidden;
    case "UNAUTHORIZED":
      return t.errorUnauthorized;
    case "CONVERSATION_NOT_FOUND":
    case "MESSAGE_NOT_FOUND":
    case "NOT_FOUND":
      return t.errorNotFound;
    case "MESSAGE_SEND_FAILED":
    case "SERVICE_UNAVAILABLE":
    case "INTERNAL_ERROR":
      return t.errorServer;
  }
}

/** Why a connection is not there. */
export function reasonText(reason: ConversationState["reason"], t: Words): string {
  switch (reason) {
    case "unauthorized":
    case "token_malformed":
    case "token_failed":
      return t.reasonUnauthorized;
    case "too_many_connections":
      return t.reasonConnections;
    case "removed":
      return t.reasonRemoved;
    case "not_found":
      return t.reasonGone;
    case "deleted":
      return t.reasonDeleted;
    case "protocol":
    case "wrong_user":
    case "frame_too_large":
      return t.reasonProtocol;
    case "connection_lost":
    case "no_answer":
    case "out_of_step":
    case "left":
    case null:
      return t.reasonNetwork;
  }
}
